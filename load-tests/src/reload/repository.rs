//! The repository: `congestion`, whose next version comes and whose last one goes, and `churn`, which nobody touches.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Result, workload::Workload};

const RELOADED: &str = "congestion";
const OTHER: &str = "churn";
/// Versions hold the files of these in turn.
const CONTENTS: [u64; 2] = [1, 2];

/// What each content answers to the example's first row.
pub(super) type Answers = Arc<[Vec<f32>; 2]>;

pub(super) struct Repository {
    folder: TempDir,
    version: u64,
    answers: Answers,
}

impl Repository {
    /// Version 1 of both.
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for model in [RELOADED, OTHER] {
            fs::create_dir(folder.path().join(model))?;
            for entry in fs::read_dir(examples().join(model))? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    fs::copy(entry.path(), folder.path().join(model).join(entry.file_name()))?;
                }
            }
        }
        // The newest version alone, as the server does where nothing is said.
        let config = folder.path().join(RELOADED).join("config.pbtxt");
        fs::write(&config, fs::read_to_string(&config)?.replace("version_policy { all { } }", ""))?;
        let answers = ["expected-version-1.json", "expected.json"].map(first_answer);
        let [first, second] = answers;
        let this = Self { folder, version: 1, answers: Arc::new([first?, second?]) };
        place(&examples().join(OTHER).join("1"), &this.path().join(OTHER).join("1"))?;
        place(&content(1), &this.path().join(RELOADED).join("1"))?;
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn reloaded(&self) -> Result<Workload> {
        Workload::example(RELOADED, &examples().join(RELOADED).join("example.json"))
    }

    pub(super) fn other(&self) -> Result<Workload> {
        Workload::example(OTHER, &examples().join(OTHER).join("example.json"))
    }

    pub(super) fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// The next version comes, is loaded, and the last one's files go.
    pub(super) async fn reload(&mut self, address: &str) -> Result {
        let folder = |version: u64| self.folder.path().join(RELOADED).join(version.to_string());
        let last = self.version;
        place(&content(last + 1), &folder(last + 1))?;
        super::load(address, RELOADED).await?;
        fs::remove_dir_all(folder(last))?;
        self.version += 1;
        Ok(())
    }
}

/// Which of the contents a version has.
pub(super) const fn index(version: u64) -> usize {
    ((version + 1) % 2) as usize
}

fn content(version: u64) -> PathBuf {
    examples().join(RELOADED).join(CONTENTS[index(version)].to_string())
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-repo")
}

/// A version's folder appears under its name at once.
fn place(from: &Path, to: &Path) -> Result {
    let aside = to.with_extension("partial");
    fs::create_dir(&aside)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), aside.join(entry.file_name()))?;
    }
    Ok(fs::rename(aside, to)?)
}

fn first_answer(file: &str) -> Result<Vec<f32>> {
    let answer: Value = serde_json::from_slice(&fs::read(examples().join(RELOADED).join(file))?)?;
    let output = &answer["outputs"][0];
    let data = output["data"].as_array().ok_or("an answer without data")?;
    let row = output["shape"][1].as_u64().map_or(data.len(), |row| row as usize);
    Ok(data.iter().take(row).filter_map(Value::as_f64).map(|number| number as f32).collect())
}
