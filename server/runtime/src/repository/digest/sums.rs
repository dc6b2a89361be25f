//! What `SHA256SUMS` lists.

use std::{
    fs::File,
    io::{self, Read},
    path::{Component, Path},
};

use girandole_core::{Error, Result};

use super::{DIGEST_FILE, Digests, Verified, VersionName, files, verified::Checkpoints};

const MAX_BYTES: u64 = 16 << 20;

/// The file as read, so that what is signed is what is believed.
pub(in crate::repository) struct Sums(Vec<u8>);

impl Sums {
    /// Reads it.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Unavailable` where it cannot be read.
    pub(in crate::repository) fn read(dir: &Path) -> Result<Self> {
        let missing = |_| Error::not_found(format!("it has no {DIGEST_FILE}"));
        let unreadable =
            |e: io::Error| Error::unavailable(format!("{DIGEST_FILE} cannot be read: {}", e.kind()));
        let mut bytes = Vec::new();
        let file = File::open(dir.join(DIGEST_FILE)).map_err(missing)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        match bytes.len() as u64 {
            0..=MAX_BYTES => Ok(Self(bytes)),
            _ => Err(Error::invalid(format!("{DIGEST_FILE} is longer than {MAX_BYTES} bytes"))),
        }
    }

    /// Its bytes.
    pub(in crate::repository) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which version of which model it is of, where it says that.
    ///
    /// # Errors
    /// `InvalidArgument` where what it says is no name.
    pub(in crate::repository) fn name(&self) -> Result<Option<VersionName>> {
        VersionName::read(self.text()?)
    }

    fn text(&self) -> Result<&str> {
        str::from_utf8(&self.0).map_err(|_| Error::invalid(format!("{DIGEST_FILE} is not text")))
    }

    /// Checks every file of a version's directory against its digests.
    ///
    /// # Errors
    /// `InvalidArgument` that names the files that differ, are missing or are not listed.
    pub(in crate::repository) fn verify(&self, dir: &Path) -> Result<Verified> {
        let listed = parse(self.text()?)?;
        let present = files(dir).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => Error::invalid(e.to_string()),
            kind => Error::unavailable(format!("its files cannot be read: {kind}")),
        })?;
        let (mut verified, mut wrong) = (Verified::new(dir), Vec::new());
        for (path, digest) in &listed {
            match File::open(dir.join(path)).and_then(|mut file| Checkpoints::of(&mut file)) {
                Ok(found) if found.digest() == *digest => verified.add(path, found),
                Ok(_) => wrong.push(format!("'{path}' differs")),
                Err(e) if e.kind() == io::ErrorKind::NotFound => wrong.push(format!("'{path}' is missing")),
                Err(e) => wrong.push(format!("'{path}' cannot be read ({})", e.kind())),
            }
        }
        let unlisted = present.iter().filter(|path| !listed.contains_key(*path));
        wrong.extend(unlisted.map(|path| format!("'{path}' is not listed")));
        if wrong.is_empty() {
            return Ok(verified);
        }
        let wrong = wrong.join(", ");
        Err(Error::invalid(format!(
            "the files do not match {DIGEST_FILE}: {wrong}; copy them again, or seal them anew"
        )))
    }
}

pub(super) fn parse(text: &str) -> Result<Digests> {
    let mut digests = Digests::new();
    let lists = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
    for (number, line) in text.lines().enumerate().filter(|(_, line)| lists(line)) {
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
