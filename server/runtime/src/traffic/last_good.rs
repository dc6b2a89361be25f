//! The last version that each of a model's labels pointed to, in the state directory, so that a label whose version is
//! still to come has it after a restart too.
//!
//! Invariant: a label is here as long as the traffic has it, whether its version serves or not. What cannot be written
//! is known to this process alone; the log has said that of [`Applied`](super::Applied), which lies beside it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::Bindings;
use crate::atomic_file;

/// Versions by label.
#[derive(Debug, Default)]
pub(crate) struct LastGood {
    path: PathBuf,
    known: BTreeMap<String, u64>,
}

impl LastGood {
    /// Those of a model in a state directory.
    pub(crate) fn open(state_dir: &Path, model: &str) -> Self {
        let path = state_dir.join("labels").join(format!("{model}.toml"));
        let known = fs::read_to_string(&path).ok().and_then(|text| toml::from_str(&text).ok());
        Self { path, known: known.unwrap_or_default() }
    }

    /// The version that a label pointed to.
    pub(crate) fn of(&self, label: &str) -> Option<u64> {
        self.known.get(label).copied()
    }

    /// Remembers where labels point from now on; those that point nowhere keep what they had.
    pub(crate) fn remember(&mut self, labels: &Bindings) {
        let last = labels
            .iter()
            .filter_map(|(label, binding)| Some((label.clone(), binding.bound.or_else(|| self.of(label))?)));
        let known = last.collect();
        if known != self.known {
            self.known = known;
            let _ = self.write();
        }
    }

    fn write(&self) -> io::Result<()> {
        if self.known.is_empty() {
            return fs::remove_file(&self.path);
        }
        let text = toml::to_string(&self.known).map_err(io::Error::other)?;
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        atomic_file::replace(&self.path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Binding, *};

    fn labels<const N: usize>(labels: [(&str, Option<u64>); N]) -> Bindings {
        labels.map(|(label, bound)| (label.to_owned(), Binding { wanted: 9, bound })).into()
    }

    #[test]
    fn a_label_is_known_to_the_next_process_as_long_as_the_traffic_has_it() {
        let state = tempfile::tempdir().unwrap();
        let open = || LastGood::open(state.path(), "m");
        open().remember(&labels([("stable", Some(1)), ("canary", Some(2)), ("new one", None)]));
        open().remember(&labels([("stable", None), ("new one", Some(3))]));
        let last = open();
        let seen = ["stable", "canary", "new one"].map(|label| last.of(label));
        assert_eq!(seen, [Some(1), None, Some(3)]);
        assert_eq!(LastGood::open(state.path(), "n").of("stable"), None);
        open().remember(&Bindings::new());
        assert_eq!(open().of("stable"), None);
    }

    #[test]
    fn a_file_that_was_damaged_is_as_none() {
        let state = tempfile::tempdir().unwrap();
        let open = || LastGood::open(state.path(), "m");
        open().remember(&labels([("stable", Some(1))]));
        fs::write(&open().path, "stable = 'one'").unwrap();
        assert_eq!(open().of("stable"), None);
    }

    #[test]
    fn where_nothing_can_be_written_this_process_knows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut last = LastGood::open(file.path(), "m");
        last.remember(&labels([("stable", Some(1))]));
        assert_eq!(last.of("stable"), Some(1));
    }
}
