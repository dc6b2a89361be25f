//! Where traffic files are read and written: in the model's directory, or in the state directory where that is
//! read-only. Whoever writes says which text they read; nobody's change is lost unseen.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use girandole_core::{Error, ErrorCode, Result};

use super::{FoundTraffic, Origin, Overlays, TRAFFIC_FILE, Traffic, edit, read};
use crate::{atomic_file, snapshot::unknown_model};

/// The file that a caller takes to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever there is.
    Anything,
    /// None at all.
    Nothing,
    /// The one whose text has this SHA-256.
    Digest(String),
}

/// A model's traffic as it is written down now.
#[derive(Debug)]
pub(crate) struct Stored {
    dir: PathBuf,
    /// What the repository has.
    in_repository: Option<FoundTraffic>,
    /// What applies of it, or in its place.
    pub(crate) found: Option<FoundTraffic>,
}

/// Reads and writes traffic files, one writer at a time.
pub(crate) struct TrafficStore {
    roots: Vec<PathBuf>,
    overlays: Option<Overlays>,
    writing: Mutex<()>,
}

impl TrafficStore {
    /// The files of these repositories, and of a state directory.
    pub(crate) fn new(roots: Vec<PathBuf>, overlays: Option<Overlays>) -> Self {
        Self { roots, overlays, writing: Mutex::default() }
    }

    /// What is written down now.
    ///
    /// # Errors
    /// `NotFound` where no repository has the model.
    pub(crate) fn read(&self, model: &str) -> Result<Stored> {
        let dirs = self.roots.iter().map(|root| root.join(model));
        let dir = dirs.into_iter().find(|dir| dir.is_dir()).ok_or_else(|| unknown_model(model))?;
        let in_repository = read(&dir);
        let found = match &self.overlays {
            Some(overlays) => overlays.over(model, in_repository.clone()),
            None => in_repository.clone(),
        };
        Ok(Stored { dir, in_repository, found })
    }

    /// Gives the split these weights; everything else in the file stays as it is. Answers with the file before and
    /// after.
    ///
    /// # Errors
    /// `FailedPrecondition` where the file is not the expected one, `InvalidArgument` where it would be refused or a
    /// rollout sets the weights, `PermissionDenied` where nothing can be written. Then nothing has changed.
    pub(crate) fn set_weights(
        &self,
        model: &str,
        expected: &Expected,
        weights: &BTreeMap<String, f64>,
    ) -> Result<(Option<FoundTraffic>, FoundTraffic)> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = self.read(model)?;
        expected.check(stored.found.as_ref())?;
        let unreadable = |problem: &String| Error::unavailable(format!("{TRAFFIC_FILE}: {problem}"));
        let text = stored.found.as_ref().map(|found| found.text.as_ref().map_err(unreadable)).transpose()?;
        let text = edit::with_weights(text.map_or("", |text| text), weights)?;
        by_hand(&Traffic::parse(&text, model)?)?;
        let origin = self.write(model, &stored, &text)?;
        Ok((stored.found, FoundTraffic::new(&text, origin)))
    }

    fn write(&self, model: &str, stored: &Stored, text: &str) -> Result<Origin> {
        let file = stored.dir.join(TRAFFIC_FILE);
        // A link stays one.
        let file = fs::canonicalize(&file).unwrap_or(file);
        let overlaid = stored.found.as_ref().is_some_and(|found| found.origin == Origin::State);
        let error = match atomic_file::replace(&file, text.as_bytes()) {
            Ok(()) => return Ok(Origin::Repository),
            Err(error) => error,
        };
        let read_only =
            matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied);
        let failed = |error: &io::Error| {
            Error::unavailable(format!("the traffic of model '{model}' cannot be written: {}", error.kind()))
        };
        match &self.overlays {
            Some(overlays) if read_only || overlaid => {
                overlays.write(model, stored.in_repository.as_ref(), text).map_err(|error| failed(&error))?;
                Ok(Origin::State)
            }
            None if read_only => Err(Error::new(
                ErrorCode::PermissionDenied,
                "the model repository is read-only: give the server --state-dir to keep traffic in",
            )),
            _ => Err(failed(&error)),
        }
    }
}

impl Expected {
    fn check(&self, found: Option<&FoundTraffic>) -> Result<()> {
        let digest = found.and_then(FoundTraffic::digest);
        let as_expected = match self {
            Self::Anything => true,
            Self::Nothing => found.is_none(),
            Self::Digest(expected) => digest.as_deref() == Some(expected),
        };
        if as_expected {
            return Ok(());
        }
        let now = digest.map_or_else(|| "there is none".to_owned(), |digest| format!("it is {digest}"));
        let message = format!("the traffic file is another one than when it was read, {now}: read it again");
        Err(Error::new(ErrorCode::FailedPrecondition, message))
    }
}

/// What is set while a rollout shares out the same weights would go unheard.
fn by_hand(traffic: &Traffic) -> Result<()> {
    let Some((rollout, _)) = traffic.rolls_out() else { return Ok(()) };
    let (stable, canary) = (&rollout.stable, &rollout.canary);
    Err(Error::invalid(format!(
        "a rollout sets the weights of '{stable}' and '{canary}': promote or abort it, or take [rollout] out of \
         {TRAFFIC_FILE}"
    )))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const TEXT: &str = "[split] # ours\nweights = { 1 = 9, 2 = 1 }\n";

    fn weights(of: &[(&str, f64)]) -> BTreeMap<String, f64> {
        of.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect()
    }

    fn digest(store: &TrafficStore) -> Expected {
        Expected::Digest(store.read("m").unwrap().found.unwrap().digest().unwrap().to_string())
    }

    #[test]
    fn weights_are_written_by_those_who_read_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("m")).unwrap();
        let (store, file) =
            (TrafficStore::new(vec![root.path().to_owned()], None), root.path().join("m/traffic.toml"));
        let half = weights(&[("1", 1.0), ("2", 1.0)]);
        store.set_weights("m", &Expected::Nothing, &half).unwrap();
        assert_eq!(
            store.set_weights("m", &Expected::Nothing, &half).unwrap_err().code(),
            ErrorCode::FailedPrecondition
        );
        fs::write(&file, TEXT).unwrap();
        let read = digest(&store);
        let (before, after) = store.set_weights("m", &read, &half).unwrap();
        assert_eq!(before.unwrap().text.unwrap().as_ref(), TEXT);
        assert_eq!(after.text.unwrap().as_ref(), TEXT.replace("1 = 9", "1 = 1"));
        assert_eq!(fs::read_to_string(&file).unwrap(), TEXT.replace("1 = 9", "1 = 1"));
        assert_eq!(store.set_weights("m", &read, &half).unwrap_err().code(), ErrorCode::FailedPrecondition);
        let rolling = "[rollout]\nstable = 1\ncanary = 2\nsteps = [{ set_weight = 5 }]\nguards = { error_rate = 0.1 }\n";
        fs::write(&file, format!("{TEXT}{rolling}")).unwrap();
        let refused = store.set_weights("m", &Expected::Anything, &half).unwrap_err();
        assert!(refused.message().contains("a rollout sets the weights of '1' and '2'"), "{refused}");
        fs::write(&file, TEXT).unwrap();
        let refused = store.set_weights("m", &Expected::Anything, &weights(&[("nobody", 1.0)])).unwrap_err();
        assert!(refused.message().contains("'nobody' is no version"), "{refused}");
        assert_eq!(fs::read_dir(root.path().join("m")).unwrap().count(), 1, "no draft is left");
        assert_eq!(
            store.set_weights("n", &Expected::Anything, &half).unwrap_err().code(),
            ErrorCode::NotFound
        );
    }

    #[test]
    fn a_repository_that_cannot_be_written_is_overlaid() {
        let (root, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Nobody can create a file there, not even root.
        symlink("/sys/kernel", root.path().join("m")).unwrap();
        let roots = vec![root.path().to_owned()];
        let plain = TrafficStore::new(roots.clone(), None);
        let refused = plain.set_weights("m", &Expected::Nothing, &weights(&[("1", 1.0)])).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::PermissionDenied, "{refused}");
        let store = TrafficStore::new(roots, Some(Overlays::new(state.path())));
        let (_, after) = store.set_weights("m", &Expected::Nothing, &weights(&[("1", 1.0)])).unwrap();
        assert_eq!(after.origin, Origin::State);
        assert_eq!(store.read("m").unwrap().found, Some(after));
        store.set_weights("m", &digest(&store), &weights(&[("1", 2.0)])).unwrap();
        let text = store.read("m").unwrap().found.unwrap().text.unwrap();
        assert_eq!(text.as_ref(), "[split]\nweights = { 1 = 2 }\n");
    }
}
