//! Reads what is in the repositories: names, sizes and times. Follows links, as mounted volumes use them.
//!
//! Invariant: a repository that cannot be read is an error as a whole and never looks like an empty one, so
//! that nothing is unloaded because of it.

use std::{
    collections::BTreeMap,
    fs::{self, DirEntry, Metadata},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use girandole_core::{Error, Result};

use super::{
    digest::DIGEST_FILE,
    listing::{FileStamp, FoundModel, FoundVersion, Listing, Stamps, is_model_name, version_number},
};
use crate::{
    config::CONFIG_FILE,
    traffic::{self, Overlays, TRAFFIC_FILE},
};

/// Directories below a version's own that are looked into.
const MAX_DEPTH: usize = 8;

/// The repositories that are served, and the file systems that they were on when first read.
#[derive(Clone, Debug)]
pub struct Roots {
    roots: Vec<(PathBuf, Option<u64>)>,
    overlays: Option<Overlays>,
}

impl Roots {
    /// Repositories that were not read yet.
    pub fn new(roots: &[PathBuf]) -> Self {
        Self { roots: roots.iter().map(|root| (root.clone(), None)).collect(), overlays: None }
    }

    /// The same, with traffic files in the place of theirs.
    pub(crate) fn under(mut self, overlays: Option<Overlays>) -> Self {
        self.overlays = overlays;
        self
    }

    /// Their directories.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|(root, _)| root.as_path())
    }

    /// Everything in all of them. A name that is in two is a problem of that model alone.
    ///
    /// # Errors
    /// `Unavailable` where one cannot be read, or is another file system than before (it was unmounted).
    pub fn scan(&mut self) -> Result<Listing> {
        let mut listing = Listing::default();
        for (number, (root, device)) in self.roots.iter_mut().enumerate() {
            let unreadable = |e: io::Error| {
                Error::unavailable(format!("model repository {} cannot be read: {e}", number + 1))
            };
            let now = device_of(&fs::metadata(&*root).map_err(unreadable)?);
            if *device.get_or_insert(now) != now {
                let message =
                    format!("model repository {} is on another file system than before", number + 1);
                return Err(Error::unavailable(message));
            }
            for (name, model) in scan_root(root).map_err(unreadable)? {
                add(&mut listing, name, model);
            }
        }
        if let Some(overlays) = &self.overlays {
            for (name, model) in &mut listing.models {
                model.traffic = overlays.over(name, model.traffic.take());
            }
        }
        Ok(listing)
    }
}

fn add(listing: &mut Listing, name: String, model: FoundModel) {
    let twice = || Some("is in more than one model repository; keep it in one".to_owned());
    let entry = listing.models.entry(name);
    entry.and_modify(|first| first.problem = twice()).or_insert(model);
}

/// One model's directory as it is now, or `None` where no repository has it.
///
/// # Errors
/// `Unavailable` where a repository cannot be read.
pub fn scan_model(mut roots: Roots, name: &str) -> Result<Option<FoundModel>> {
    if !is_model_name(name) {
        return Ok(None);
    }
    Ok(roots.scan()?.models.remove(name))
}

fn scan_root(root: &Path) -> io::Result<BTreeMap<String, FoundModel>> {
    let mut models = BTreeMap::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().filter(|name| is_model_name(name)).map(str::to_owned)
        else {
            continue;
        };
        if let Some(model) = vanished_is_none(scan_dir(&entry))?.flatten() {
            models.insert(name, model);
        }
    }
    Ok(models)
}

/// A model's directory; `None` for files, and for directories that hold neither versions nor a configuration.
fn scan_dir(entry: &DirEntry) -> io::Result<Option<FoundModel>> {
    let dir = entry.path();
    if !fs::metadata(&dir)?.is_dir() {
        return Ok(None);
    }
    let traffic = traffic::read(&dir);
    let mut model = FoundModel { dir: dir.clone(), traffic, ..FoundModel::default() };
    if let Err(e) = scan_entries(&dir, &mut model) {
        model.problem = Some(format!("its directory cannot be read: {}", e.kind()));
        return Ok(Some(model));
    }
    let is_model = !model.versions.is_empty() || model.shared.contains_key(CONFIG_FILE);
    Ok(is_model.then_some(model))
}

fn scan_entries(dir: &Path, model: &mut FoundModel) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(metadata) = vanished_is_none(fs::metadata(entry.path()))? else { continue };
        if let Some(number) = version_number(&name).filter(|_| metadata.is_dir()) {
            let files = version_files(&entry.path())?;
            let sealed = files.contains_key(DIGEST_FILE);
            model.versions.insert(number, FoundVersion { files, sealed, settling: false });
        } else if !name.starts_with('.') && name != TRAFFIC_FILE {
            collect_one(&entry.path(), &name, &metadata, 0, &mut model.shared)?;
        }
    }
    Ok(())
}

/// The files of a version's directory as they are now.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn version_files(dir: &Path) -> io::Result<Stamps> {
    let mut files = Stamps::new();
    collect(dir, "", 0, &mut files)?;
    Ok(files)
}

fn collect(dir: &Path, prefix: &str, depth: usize, files: &mut Stamps) -> io::Result<()> {
    let Some(entries) = vanished_is_none(fs::read_dir(dir))? else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some(metadata) = vanished_is_none(fs::metadata(entry.path()))? else { continue };
        collect_one(&entry.path(), &format!("{prefix}{name}"), &metadata, depth, files)?;
    }
    Ok(())
}

fn collect_one(
    path: &Path,
    name: &str,
    metadata: &Metadata,
    depth: usize,
    files: &mut Stamps,
) -> io::Result<()> {
    if metadata.is_dir() {
        // Deeper than any model has; a link that leads back up ends here too.
        return if depth < MAX_DEPTH { collect(path, &format!("{name}/"), depth + 1, files) } else { Ok(()) };
    }
    files.insert(name.to_owned(), stamp(metadata));
    Ok(())
}

/// A file that goes while it is being looked at is as if it had never been there.
fn vanished_is_none<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn stamp(metadata: &Metadata) -> FileStamp {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    FileStamp { len: metadata.len(), modified, touched: changed(metadata).unwrap_or(modified).max(modified) }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(unix)]
fn device_of(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.dev()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, data: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    #[test]
    fn models_versions_and_files_are_found() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for path in
            ["a/1/model.onnx", "a/1/data/w.bin", "a/02/x", "a/labels.txt", "a/traffic.toml", "b/config.pbtxt"]
        {
            write(&at(path), "data");
        }
        for path in ["README.md", "scripts/train.py", ".git/1/model.onnx"] {
            write(&at(path), "");
        }
        let listing = Roots::new(&[root.path().to_owned()]).scan().unwrap();
        assert_eq!(listing.models.keys().collect::<Vec<_>>(), ["a", "b"]);
        let a = &listing.models["a"];
        assert_eq!(a.versions.keys().collect::<Vec<_>>(), [&1]);
        assert_eq!(a.versions[&1].files.keys().collect::<Vec<_>>(), ["data/w.bin", "model.onnx"]);
        assert_eq!(a.shared.keys().collect::<Vec<_>>(), ["02/x", "labels.txt"]);
    }

    #[test]
    fn a_name_in_two_repositories_is_that_models_problem() {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for root in &roots {
            write(&root.path().join("twice/1/model.onnx"), "");
        }
        write(&roots[0].path().join("once/1/model.onnx"), "");
        let listing = Roots::new(&roots.map(|root| root.keep())).scan().unwrap();
        assert!(listing.models["twice"].problem.is_some());
        assert!(listing.models["once"].problem.is_none());
    }

    #[test]
    fn a_repository_that_is_gone_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let mut roots = Roots::new(&[root.path().join("none")]);
        let error = roots.scan().unwrap_err();
        assert!(!error.message().contains("none"), "{error}");
    }
}
