//! What an engine reads a version from: the model's own file, and those beside it that this one or its format names.
//!
//! An engine never opens a path itself, so that whoever hands it the files may check or decrypt what is read.

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

/// A file, open for reading anywhere in it.
pub trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// The files of one version.
pub trait Files: fmt::Debug + Send + Sync {
    /// The name of the model's own file, which says its [`Format`](crate::Format).
    fn name(&self) -> &str;

    /// The model's own file.
    ///
    /// # Errors
    /// Where it cannot be opened; one that carries a message says why it was refused.
    fn model(&self) -> io::Result<Box<dyn Source>>;

    /// A file beside it, by a path that a model file gives and that nobody checked.
    ///
    /// # Errors
    /// As [`Self::model`], and where the path leads out of the version's folder; of the kind `NotFound` where no such
    /// file belongs to the version.
    fn beside(&self, path: &Path) -> io::Result<Box<dyn Source>>;
}

/// Files as they lie in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    model: PathBuf,
}

impl Folder {
    /// The folder of this model file, which may be a link that leads elsewhere.
    pub fn of(model: impl Into<PathBuf>) -> Self {
        Self { model: model.into() }
    }
}

impl Files for Folder {
    fn name(&self) -> &str {
        self.model.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    fn model(&self) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(File::open(&self.model)?))
    }

    fn beside(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(open_within(self.model.parent().unwrap_or(Path::new("")), path)?))
    }
}

/// Opens a regular file that lies within a folder, wherever links lead.
///
/// # Errors
/// Where it cannot be opened, and, with a message, where it lies elsewhere or is something else.
pub fn open_within(folder: &Path, path: &Path) -> io::Result<File> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = folder.join(path).canonicalize()?;
    if !path.starts_with(folder.canonicalize()?) {
        return Err(refused("it lies outside of the version's folder"));
    }
    // A pipe would be waited for when it is opened.
    if !path.metadata()?.is_file() {
        return Err(refused("it is no regular file"));
    }
    File::open(path)
}

/// Why a file could not be read, without paths: in its own words, or as the system's kind of error.
pub fn why(error: &io::Error) -> String {
    error.get_ref().map_or_else(|| error.kind().to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn text(file: io::Result<Box<dyn Source>>) -> io::Result<String> {
        io::read_to_string(file?)
    }

    #[test]
    fn a_folder_gives_its_model_and_what_lies_beside_it_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("v");
        fs::create_dir(&folder).unwrap();
        for (path, content) in [("secret", "s"), ("v/model.onnx", "m"), ("v/weights", "w")] {
            fs::write(root.path().join(path), content).unwrap();
        }
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let files = Folder::of(folder.join("model.onnx"));
        assert_eq!(files.name(), "model.onnx");
        assert_eq!(text(files.model()).unwrap(), "m");
        assert_eq!(text(files.beside(Path::new("weights"))).unwrap(), "w");
        for outside in ["../secret", "link", "/etc/hostname"] {
            let error = text(files.beside(Path::new(outside))).unwrap_err();
            assert!(error.to_string().contains("outside of the version's folder"), "{outside}: {error}");
        }
        assert!(text(files.beside(Path::new("."))).unwrap_err().to_string().contains("no regular file"));
        assert_eq!(text(files.beside(Path::new("none"))).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(text(Folder::of(folder.join("link")).model()).unwrap(), "s");
    }
}
