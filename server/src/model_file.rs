//! Finds the model's file in what a person gives on the command line, and opens a session on it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use girandole_core::{
    Batch, BatchOutputs, Error, Folder, LoadOptions, LoadRequest, Loader, Model, Reply, Result, Session,
};
use girandole_engine::Engine;

const FILE_NAME: &str = "model.onnx";

/// The file of `path`: the file itself, or `model.onnx` in it, or that of its newest version.
///
/// # Errors
/// `NotFound` that says what was looked for.
pub(crate) fn find(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if path.join(FILE_NAME).is_file() {
        return Ok(path.join(FILE_NAME));
    }
    newest_version(path).map(|version| path.join(version.to_string()).join(FILE_NAME)).ok_or_else(|| {
        Error::not_found(format!(
            "'{}' is no model file, and holds no {FILE_NAME} and no version with one (encrypted ones are read by serve \
             and check alone)",
            path.display()
        ))
    })
}

fn newest_version(model: &Path) -> Option<u64> {
    let entries = fs::read_dir(model).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let versions =
        entries.filter_map(|name| name.parse::<u64>().ok().filter(|version| version.to_string() == name));
    versions.filter(|version| model.join(version.to_string()).join(FILE_NAME).is_file()).max()
}

/// Loads a model's file.
///
/// # Errors
/// As [`find`] and as loading.
pub(crate) fn load(path: &Path, options: LoadOptions) -> Result<Arc<dyn Model>> {
    let path = find(path)?;
    let name = path.display().to_string();
    Engine
        .load(&LoadRequest { name: name.clone(), version: 1, files: Arc::new(Folder::of(path)), options })
        .map_err(|error| error.context(name))
}

/// Runs a batch and waits for its outputs.
///
/// # Errors
/// Those of the session.
pub(crate) fn run(session: &mut dyn Session, batch: Batch) -> Result<BatchOutputs> {
    let (sender, receiver) = mpsc::channel();
    session.run(batch, Reply::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().unwrap_or_else(|_| Err(Error::internal("the session gave no answer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["2", "10", "010", "x"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join(FILE_NAME), b"").unwrap();
        }
        assert_eq!(find(folder.path()).unwrap(), folder.path().join("10").join(FILE_NAME));
        assert!(find(&folder.path().join("none")).unwrap_err().message().contains("no model file"));
    }
}
