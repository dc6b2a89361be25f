//! Finds the model's file in what a person gives on the command line, and opens a session on it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use girandole_core::{
    Batch, BatchOutputs, Error, Folder, Format, LoadOptions, LoadRequest, Loader, Model, Reply, Result,
    Session,
};
use girandole_engine::Engine;

/// The file of `path`: the file itself, or the model's file in it, or that of its newest version.
///
/// # Errors
/// `NotFound` that says what was looked for.
pub(crate) fn find(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    within(path).or_else(|| newest_version(path)).ok_or_else(|| {
        Error::not_found(format!(
            "'{}' is no model file, and holds no {} and no version with one (encrypted ones are read by serve and check \
             alone)",
            path.display(),
            Format::FILE_NAMES.join(", no ")
        ))
    })
}

/// The model's file in a version's folder.
fn within(version: &Path) -> Option<PathBuf> {
    Format::FILE_NAMES.map(|name| version.join(name)).into_iter().find(|file| file.is_file())
}

fn newest_version(model: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(model).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let versions =
        entries.filter_map(|name| name.parse::<u64>().ok().filter(|version| version.to_string() == name));
    let files = versions.filter_map(|version| Some((version, within(&model.join(version.to_string()))?)));
    files.max().map(|(_, file)| file)
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
        for (version, name) in
            [("2", "model.onnx"), ("10", "model.safetensors"), ("010", "model.onnx"), ("x", "model.onnx")]
        {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join(name), b"").unwrap();
        }
        let newest = folder.path().join("10/model.safetensors");
        assert_eq!(find(folder.path()).unwrap(), newest);
        assert_eq!(find(&folder.path().join("10")).unwrap(), newest);
        assert!(find(&folder.path().join("none")).unwrap_err().message().contains("no model file"));
    }
}
