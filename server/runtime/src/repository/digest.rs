//! `SHA256SUMS`: written by `seal`, checked before a model's files are parsed.
//!
//! The form is that of sha256sum: a line of 64 hexadecimal digits, two spaces and a path each, so that
//! `sha256sum -c` agrees. Every other file of the directory must be listed, and none outside of it may be.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path},
};

use girandole_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::atomic_file;

/// The file's name within a version's directory.
pub const DIGEST_FILE: &str = "SHA256SUMS";

const MAX_BYTES: u64 = 16 << 20;
const MAX_DEPTH: usize = 8;

/// Hexadecimal digests by path.
pub type Digests = BTreeMap<String, String>;

/// Checks every file of a version's directory against its digests.
///
/// # Errors
/// `InvalidArgument` that names the files that differ, are missing or are not listed, `NotFound` where the
/// directory has no digests.
pub fn verify(dir: &Path) -> Result<()> {
    let listed = read(dir)?;
    let present = files(dir).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => Error::invalid(e.to_string()),
        kind => Error::unavailable(format!("its files cannot be read: {kind}")),
    })?;
    let mut wrong = Vec::new();
    for (path, digest) in &listed {
        match digest_of(&dir.join(path)) {
            Ok(found) if found == *digest => {}
            Ok(_) => wrong.push(format!("'{path}' differs")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => wrong.push(format!("'{path}' is missing")),
            Err(e) => wrong.push(format!("'{path}' cannot be read ({})", e.kind())),
        }
    }
    wrong.extend(
        present
            .iter()
            .filter(|path| !listed.contains_key(*path))
            .map(|path| format!("'{path}' is not listed")),
    );
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join(", ");
    Err(Error::invalid(format!(
        "the files do not match {DIGEST_FILE}: {wrong}; copy them again, or seal them anew"
    )))
}

/// Writes the digests of a version's directory, in place of earlier ones, and returns them.
///
/// # Errors
/// `InvalidArgument` where the directory holds links, or names that the form cannot take; `Unavailable`
/// where a file cannot be read or the digests cannot be written.
pub fn seal(dir: &Path) -> Result<Digests> {
    let unavailable = |e: io::Error| Error::unavailable(format!("cannot seal {}: {e}", dir.display()));
    let mut digests = Digests::new();
    for path in files(dir).map_err(|e| seal_error(dir, &e))? {
        if path.contains(['\n', '\r', '\\']) {
            return Err(Error::invalid(format!(
                "cannot seal '{}': rename it without special characters",
                path.escape_debug()
            )));
        }
        let digest = digest_of(&dir.join(&path)).map_err(unavailable)?;
        digests.insert(path, digest);
    }
    let text: String = digests.iter().map(|(path, digest)| line(digest, path)).collect();
    // No watcher ever sees half of it.
    atomic_file::replace(&dir.join(DIGEST_FILE), text.as_bytes()).map_err(unavailable)?;
    Ok(digests)
}

fn seal_error(dir: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => Error::invalid(format!("cannot seal {}: {error}", dir.display())),
        _ => Error::unavailable(format!("cannot seal {}: {error}", dir.display())),
    }
}

fn read(dir: &Path) -> Result<Digests> {
    let missing = |_| Error::not_found(format!("it has no {DIGEST_FILE}"));
    let mut text = String::new();
    let file = File::open(dir.join(DIGEST_FILE)).map_err(missing)?;
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|_| Error::invalid(format!("{DIGEST_FILE} is not text")))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Digests> {
    let mut digests = Digests::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (digest, path) = parse_line(line).ok_or_else(|| {
            let what = "must be 64 hexadecimal digits, two spaces and a path within the directory";
            Error::invalid(format!("{DIGEST_FILE} line {}: {what}", number + 1))
        })?;
        digests.insert(path, digest);
    }
    Ok(digests)
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let (digest, rest) = line.split_at_checked(64)?;
    // sha256sum writes a star in place of the second space for files read as binary.
    let path = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let within = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let plain = digest.bytes().all(|byte| byte.is_ascii_hexdigit()) && !path.is_empty() && within;
    plain.then(|| (digest.to_ascii_lowercase(), path.to_owned()))
}

/// The paths of all files below `dir` but the digests' own and hidden ones. Links are refused: what they
/// lead to can change without the digests' noticing.
fn files(dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_owned(), String::new(), 0)];
    while let Some((dir, prefix, depth)) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
            let name = entry.file_name().into_string().map_err(|_| invalid("a file's name is not UTF-8"))?;
            let (path, kind) = (format!("{prefix}{name}"), entry.file_type()?);
            if name.starts_with('.') || path == DIGEST_FILE {
                continue;
            }
            match () {
                () if kind.is_file() => found.push(path),
                () if kind.is_dir() && depth < MAX_DEPTH => {
                    open.push((entry.path(), format!("{path}/"), depth + 1))
                }
                () => return Err(invalid(&format!("'{path}' is a link or no regular file"))),
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// SHA-256 of the `SHA256SUMS` that a version's directory has, or would have if it were sealed now: one digest for
/// all its files. Reads them all.
///
/// # Errors
/// Where a file cannot be read, or is a link.
pub(crate) fn version_digest(dir: &Path) -> io::Result<String> {
    let digest = |path: String| Ok((digest_of(&dir.join(&path))?, path));
    let lines = files(dir)?.into_iter().map(digest).collect::<io::Result<Vec<_>>>()?;
    let lines: String = lines.into_iter().map(|(digest, path)| line(&digest, &path)).collect();
    Ok(sha256(lines.as_bytes()))
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn line(digest: &str, path: &str) -> String {
    format!("{digest}  {path}\n")
}

fn digest_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..len).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
    }
    Ok(format!("{:x}", hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("model.onnx"), "abc").unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("data/w"), "").unwrap();
        seal(dir.path()).unwrap();
        dir
    }

    #[test]
    fn what_is_sealed_verifies_and_is_sha256sums_form() {
        let dir = sealed();
        verify(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(DIGEST_FILE)).unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  model.onnx";
        assert!(text.contains(abc), "{text}");
        assert_eq!(seal(dir.path()).unwrap().len(), 2);
        assert_eq!(version_digest(dir.path()).unwrap(), sha256(text.as_bytes()));
    }

    #[test]
    fn every_difference_is_named() {
        let dir = sealed();
        fs::write(dir.path().join("model.onnx"), "abd").unwrap();
        fs::write(dir.path().join("extra"), "").unwrap();
        fs::remove_file(dir.path().join("data/w")).unwrap();
        let error = verify(dir.path()).unwrap_err();
        for part in ["'model.onnx' differs", "'extra' is not listed", "'data/w' is missing"] {
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn lines_that_lead_outside_are_refused() {
        let digest = "0".repeat(64);
        for path in ["../x", "/etc/passwd", "", "a/../../x"] {
            assert!(parse(&format!("{digest}  {path}")).is_err(), "{path}");
        }
        assert!(parse("xyz  model.onnx").is_err());
        assert!(parse(&format!("{digest} *./model.onnx\n\n")).is_ok());
    }

    #[test]
    fn links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("model.onnx")).unwrap();
        assert!(seal(dir.path()).unwrap_err().message().contains("link"));
    }
}
