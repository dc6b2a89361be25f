//! Where rollouts stand, in a file, so that a restart forgets none.
//!
//! Invariant: the file is replaced as a whole, by renaming. A file that cannot be read or written costs the memory
//! beyond the process and nothing else; the log says so once.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use girandole_rollout::State;
use serde::{Deserialize, Serialize};
use tracing::warn;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    atomic_file,
    traffic::{self, Arms},
};

/// The file's name.
const FILE: &str = "rollouts.json";

/// What makes a rollout the same as one that was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    plan: String,
    arms: Arms,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Saved {
    key: Key,
    state: State,
}

/// Every model's rollout, as it was left.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    saved: BTreeMap<String, Saved>,
    in_memory_only: bool,
}

impl Key {
    pub(super) fn of(rollout: &traffic::Rollout, arms: Arms) -> Self {
        // A plan of numbers and names can always be written.
        let plan =
            serde_json::to_vec(&(&rollout.plan, &rollout.output, rollout.resolution)).unwrap_or_default();
        Self { plan: format!("{:016x}", xxh3_64(&plan)), arms }
    }
}

impl Store {
    /// What the folder holds; nothing where it holds nothing.
    pub(crate) fn open(dir: PathBuf) -> Self {
        let saved = read(&dir.join(FILE)).unwrap_or_else(|error| {
            warn!(%error, "where rollouts stand cannot be read; they begin anew");
            BTreeMap::new()
        });
        Self { dir, saved, in_memory_only: false }
    }

    /// Where this rollout of the model was left.
    pub(crate) fn left(&self, model: &str, key: &Key) -> Option<State> {
        self.saved.get(model).filter(|saved| saved.key == *key).map(|saved| saved.state)
    }

    /// Remembers where it stands.
    pub(crate) fn save(&mut self, model: &str, key: Key, state: State) {
        self.saved.insert(model.to_owned(), Saved { key, state });
        if self.in_memory_only {
            return;
        }
        if let Err(error) = write(&self.dir, &self.saved) {
            self.in_memory_only = true;
            warn!(%error, "where rollouts stand is kept in memory only: a restart begins them anew; set --state-dir");
        }
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Saved>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn write(dir: &Path, saved: &BTreeMap<String, Saved>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    atomic_file::replace(&dir.join(FILE), &serde_json::to_vec_pretty(saved)?)
}

#[cfg(test)]
mod tests {
    use girandole_rollout::Phase;

    use super::*;

    fn key(plan: &str) -> Key {
        Key { plan: plan.to_owned(), arms: Arms { stable: 1, canary: 2 } }
    }

    #[test]
    fn what_was_left_is_found_again_under_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let state = State { phase: Phase::Degraded, step: 1, ..State::default() };
        let mut store = Store::open(dir.path().join("state"));
        store.save("m", key("a"), state);
        let again = Store::open(dir.path().join("state"));
        assert_eq!(again.left("m", &key("a")), Some(state));
        assert_eq!(again.left("m", &key("b")), None);
        assert_eq!(again.left("other", &key("a")), None);
    }

    #[test]
    fn without_a_folder_it_remembers_while_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let mut store = Store::open(file.join("state"));
        store.save("m", key("a"), State::default());
        assert!(store.in_memory_only);
        assert_eq!(store.left("m", &key("a")), Some(State::default()));
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Store::open(dir.path().to_owned()).left("m", &key("a")), None);
    }
}
