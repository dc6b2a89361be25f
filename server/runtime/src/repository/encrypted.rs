//! Encrypted versions: each file lies under its name and `.enc`, and is read by its name.

use std::{
    fs::{self, File},
    io,
    path::{Component, Path},
    sync::Arc,
};

use girandole_core::{Error, Files, Result, Source};
use girandole_seal::{Decrypted, ModelKey, ModelKeys, SUFFIX, encrypt as encrypt_file};

use super::{digest::files, listing::version_number};

/// Files that are decrypted as they are read; none that is not encrypted is taken.
#[derive(Debug)]
pub(super) struct Encrypted {
    /// The model's file by its name in clear.
    pub(super) model: String,
    /// The files as they lie there.
    pub(super) inner: Arc<dyn Files>,
    pub(super) keys: ModelKeys,
}

impl Encrypted {
    fn decrypted(&self, source: io::Result<Box<dyn Source>>, path: &str) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(Decrypted::open(source?, &self.keys, path)?))
    }
}

impl Files for Encrypted {
    fn name(&self) -> &str {
        &self.model
    }

    fn model(&self) -> io::Result<Box<dyn Source>> {
        self.decrypted(self.inner.model(), &self.model)
    }

    fn beside(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        let path = plain(path)?;
        self.decrypted(self.inner.beside(Path::new(&format!("{path}{SUFFIX}"))), &path)
    }
}

/// A path as digests list it.
///
/// # Errors
/// Where it leads out of the directory, or is no text.
pub(super) fn plain(path: &Path) -> io::Result<String> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => name.to_str().map(str::to_owned),
        _ => None,
    };
    let parts: Option<Vec<_>> = path.components().map(part).collect();
    let outside = || io::Error::other("it lies outside of the version's folder, or its name is not UTF-8");
    parts.map(|parts| parts.join("/")).ok_or_else(outside)
}

/// Encrypts the files of a version's directory into a new one, and returns how many they are.
///
/// # Errors
/// `InvalidArgument` where there is nothing to encrypt, what is there cannot be, or the new directory is there already;
/// `Unavailable` where files cannot be read or written. Nothing is left behind then.
pub fn encrypt(dir: &Path, out: &Path, key: &ModelKey) -> Result<usize> {
    let unavailable = |e: io::Error| Error::unavailable(format!("cannot encrypt {}: {e}", dir.display()));
    if out.symlink_metadata().is_ok() {
        return Err(Error::invalid(format!("{} is there already; give a new directory", out.display())));
    }
    let paths = files(dir).map_err(unavailable)?;
    check(&paths).map_err(|what| Error::invalid(format!("cannot encrypt {}: {what}", dir.display())))?;
    let (parent, name) = (out.parent().unwrap_or(Path::new("")), out.file_name().unwrap_or_default());
    let draft = parent.join(format!(".{}.new", name.to_string_lossy()));
    let written = fs::create_dir_all(&draft)
        .and_then(|()| paths.iter().try_for_each(|path| encrypt_one(dir, &draft, path, key)))
        .and_then(|()| fs::rename(&draft, out));
    if written.is_err() {
        // There may be none.
        let _ = fs::remove_dir_all(&draft);
    }
    written.map_err(unavailable)?;
    Ok(paths.len())
}

fn check(paths: &[String]) -> Result<(), String> {
    let of_version =
        |path: &&String| path.split_once('/').is_some_and(|(dir, _)| version_number(dir).is_some());
    if paths.is_empty() {
        return Err("it holds no files".to_owned());
    }
    if let Some(path) = paths.iter().find(of_version) {
        return Err(format!("'{path}' looks like a version's; give one version's directory"));
    }
    match paths.iter().find(|path| path.ends_with(SUFFIX)) {
        Some(path) => Err(format!("'{path}' is encrypted already")),
        None => Ok(()),
    }
}

fn encrypt_one(dir: &Path, draft: &Path, path: &str, key: &ModelKey) -> io::Result<()> {
    let target = draft.join(format!("{path}{SUFFIX}"));
    fs::create_dir_all(target.parent().unwrap_or(draft))?;
    let mut to = File::create_new(target)?;
    encrypt_file(&mut File::open(dir.join(path))?, &mut to, key, path)?;
    to.sync_all()
}

#[cfg(test)]
mod tests {
    use girandole_core::Folder;

    use super::*;

    fn keys() -> ModelKeys {
        ModelKeys::parse(&"c".repeat(64)).unwrap()
    }

    fn version() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("v/data")).unwrap();
        fs::write(dir.path().join("v/model.onnx"), "the model").unwrap();
        fs::write(dir.path().join("v/data/w"), "the weights").unwrap();
        dir
    }

    fn read(files: &dyn Files, path: &str) -> io::Result<String> {
        files.beside(Path::new(path)).and_then(io::read_to_string)
    }

    #[test]
    fn a_version_is_encrypted_file_by_file_and_read_by_its_names() {
        let root = version();
        let (dir, out) = (root.path().join("v"), root.path().join("1"));
        super::super::seal(&dir, None).unwrap();
        assert_eq!(encrypt(&dir, &out, keys().newest()), Ok(2));
        assert_eq!(files(&out).unwrap(), ["data/w.enc", "model.onnx.enc"]);
        let inner = Arc::new(Folder::of(out.join("model.onnx.enc")));
        let files = Encrypted { model: "model.onnx".into(), inner, keys: keys() };
        assert_eq!(files.model().and_then(io::read_to_string).unwrap(), "the model");
        assert_eq!(
            read(&files, "./data/w").unwrap_err().to_string(),
            plain(Path::new("./x")).unwrap_err().to_string()
        );
        assert_eq!(read(&files, "data/w").unwrap(), "the weights");
        // Neither a file in clear nor another's is taken in its place.
        fs::write(out.join("clear"), "x").unwrap();
        assert_eq!(read(&files, "clear").unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::copy(out.join("model.onnx.enc"), out.join("data/w.enc")).unwrap();
        assert!(read(&files, "data/w").unwrap_err().to_string().contains("another name"));
        assert!(read(&files, "../v/model.onnx").is_err());
    }

    #[test]
    fn what_cannot_be_encrypted_leaves_nothing_behind() {
        let root = version();
        let (dir, out) = (root.path().join("v"), root.path().join("1"));
        let refused = |dir: &Path, out: &Path| encrypt(dir, out, keys().newest()).unwrap_err();
        assert!(refused(&dir, &dir).message().contains("there already"));
        std::os::unix::fs::symlink("/etc/hostname", dir.join("link")).unwrap();
        assert!(refused(&dir, &out).message().contains("link"));
        fs::remove_file(dir.join("link")).unwrap();
        fs::write(dir.join("w.enc"), "").unwrap();
        assert!(refused(&dir, &out).message().contains("encrypted already"));
        fs::create_dir(root.path().join("m")).unwrap();
        assert!(refused(&root.path().join("m"), &out).message().contains("no files"));
        fs::rename(&dir, root.path().join("m/1")).unwrap();
        assert!(refused(&root.path().join("m"), &out).message().contains("one version's directory"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
