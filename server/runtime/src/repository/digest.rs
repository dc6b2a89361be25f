//! `SHA256SUMS`: written by `seal`, checked before a model's files are parsed.
//!
//! The form is that of sha256sum: a line of 64 hexadecimal digits, two spaces and a path each, so that
//! `sha256sum -c` agrees. Every other file of the directory must be listed, and none outside of it may be. Beside it
//! may lie a signature of its exact bytes, which then say in comments which version of which model they are of.

mod name;
mod sums;
#[cfg(test)]
mod tests;
mod verified;

use std::{collections::BTreeMap, fs, io, path::Path};

use girandole_core::{Error, Result};
use girandole_seal::SigningKey;
use sha2::{Digest, Sha256};

pub use self::name::VersionName;
use self::verified::Checkpoints;
pub(super) use self::{sums::Sums, verified::Verified};
use crate::atomic_file;

/// The name of the digests within a version's directory.
pub const DIGEST_FILE: &str = "SHA256SUMS";
/// The name of their signature: the 64 bytes of Ed25519.
pub const SIGNATURE_FILE: &str = "SHA256SUMS.sig";

const MAX_DEPTH: usize = 8;

/// Hexadecimal digests by path.
pub type Digests = BTreeMap<String, String>;

/// How a version's digests are signed.
pub struct Signing {
    /// By whom.
    pub key: SigningKey,
    /// As which version; `None` for any.
    pub name: Option<VersionName>,
}

/// Writes the digests of a version's directory, signed if that is asked for, in place of earlier ones, and returns them.
///
/// # Errors
/// `InvalidArgument` where the directory holds links, or names that the form cannot take; `Unavailable`
/// where a file cannot be read or the digests cannot be written.
pub fn seal(dir: &Path, signing: Option<&Signing>) -> Result<Digests> {
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
    let name = signing.and_then(|signing| signing.name.as_ref()).map(VersionName::lines);
    let lines = digests.iter().map(|(path, digest)| line(digest, path));
    let text: String = name.into_iter().chain(lines).collect();
    let signature = signing.map(|signing| signing.key.sign(text.as_bytes())).transpose()?;
    // No watcher ever sees half of it.
    atomic_file::replace(&dir.join(DIGEST_FILE), text.as_bytes()).map_err(unavailable)?;
    put_signature(&dir.join(SIGNATURE_FILE), signature.as_deref()).map_err(unavailable)?;
    Ok(digests)
}

/// One of other digests is worth nothing any more.
fn put_signature(path: &Path, signature: Option<&[u8]>) -> io::Result<()> {
    match signature {
        Some(signature) => atomic_file::replace(path, signature),
        None if path.exists() => fs::remove_file(path),
        None => Ok(()),
    }
}

fn seal_error(dir: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => Error::invalid(format!("cannot seal {}: {error}", dir.display())),
        _ => Error::unavailable(format!("cannot seal {}: {error}", dir.display())),
    }
}

/// The paths of all files below `dir` but the digests' own, their signature's and hidden ones. Links are refused: what they
/// lead to can change without the digests' noticing.
pub(super) fn files(dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_owned(), String::new(), 0)];
    while let Some((dir, prefix, depth)) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
            let name = entry.file_name().into_string().map_err(|_| invalid("a file's name is not UTF-8"))?;
            let (path, kind) = (format!("{prefix}{name}"), entry.file_type()?);
            if name.starts_with('.') || path == DIGEST_FILE || path == SIGNATURE_FILE {
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

/// SHA-256 of the `SHA256SUMS` that a version's directory has, or would have if it were sealed now, without a name: one
/// digest for all its files. Reads them all.
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
    Ok(Checkpoints::of(&mut fs::File::open(path)?)?.digest())
}
