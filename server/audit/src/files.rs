//! The files of one log: the one that is written, and those before it, named after their last entry's number.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Digits of a number in a name, so that names sort as numbers do.
const DIGITS: usize = 12;

/// What a full file is renamed to.
pub(crate) fn rotated(path: &Path, last: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{last:0DIGITS$}"));
    name.into()
}

/// All files of a log, oldest first, the one that is written last.
///
/// # Errors
/// Where the directory cannot be read, or there is no file at all.
pub(crate) fn all(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = before(path)?;
    if path.exists() || files.is_empty() {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// The full files of a log, oldest first.
///
/// # Errors
/// Where the directory cannot be read.
pub(crate) fn before(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let is_one = |other: &str| {
        let number = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        number
            .is_some_and(|number| number.len() >= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_one) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Where a file is.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
