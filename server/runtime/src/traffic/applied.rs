//! The traffic that each model followed last, in the state directory: where a server starts with a file that it
//! refuses, the one before is still known.
//!
//! Invariant: only a text that was honoured is here. One that cannot be written costs this memory and nothing else;
//! the log says so once.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::warn;

use super::{FoundTraffic, Origin, Traffic};
use crate::atomic_file;

/// Texts that were honoured, by model.
#[derive(Debug)]
pub(crate) struct Applied {
    dir: PathBuf,
    complained: bool,
}

impl Applied {
    /// Those in a state directory.
    pub(crate) fn open(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("applied"), complained: false }
    }

    /// What the model followed last, and the SHA-256 of its text.
    pub(crate) fn last(&self, model: &str) -> Option<(Traffic, Arc<str>)> {
        let text = fs::read_to_string(self.path(model)).ok()?;
        let found = FoundTraffic::new(&text, Origin::State);
        Some((found.parse(model).ok()?, found.digest()?))
    }

    /// Remembers what the model follows from now on, or that it follows nothing.
    pub(crate) fn remember(&mut self, model: &str, text: Option<&str>) {
        let path = self.path(model);
        let done = match text {
            Some(text) if fs::read(&path).is_ok_and(|known| known == text.as_bytes()) => Ok(()),
            Some(text) => {
                fs::create_dir_all(&self.dir).and_then(|()| atomic_file::replace(&path, text.as_bytes()))
            }
            None => fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(()),
                _ => Err(error),
            }),
        };
        if let Err(error) = done
            && !self.complained
        {
            self.complained = true;
            warn!(%model, %error, "which traffic applies cannot be remembered: a restart with a traffic file that is \
                                   refused follows none; set --state-dir");
        }
    }

    fn path(&self, model: &str) -> PathBuf {
        self.dir.join(format!("{model}.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_followed_last_is_known_to_the_next_process() {
        let state = tempfile::tempdir().unwrap();
        let mut applied = Applied::open(state.path());
        applied.remember("m", None);
        assert_eq!(applied.last("m"), None);
        applied.remember("m", Some("labels = { stable = 1 }"));
        applied.remember("m", Some("labels = { stable = 2 }"));
        let mut again = Applied::open(state.path());
        let (traffic, digest) = again.last("m").unwrap();
        assert_eq!(traffic.labels["stable"], 2);
        assert_eq!(*digest, *crate::repository::sha256(b"labels = { stable = 2 }"));
        assert_eq!(again.last("n"), None);
        again.remember("m", None);
        assert_eq!(applied.last("m"), None);
        assert!(!applied.complained && !again.complained);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_said_once() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("file");
        fs::write(&file, "").unwrap();
        let mut applied = Applied::open(&file);
        applied.remember("m", None);
        assert!(!applied.complained);
        applied.remember("m", Some("a"));
        assert!(applied.complained);
        assert_eq!(applied.last("m"), None);
    }
}
