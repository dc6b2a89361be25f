//! What is asked of a version's files before an engine reads them, and how it reads them then.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use girandole_core::{Error, Files, Folder, Result, Source};
use girandole_seal::{KeySource, SIGNATURE_BYTES, SUFFIX, TrustedKeys};

use super::{
    FoundVersion,
    digest::{DIGEST_FILE, SIGNATURE_FILE, Sums, Verified, VersionName},
    encrypted::{Encrypted, plain},
};

/// What is asked of versions. Keys are read when a version is loaded and not kept, so that their files may change.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whether a version without `SHA256SUMS` is refused.
    pub require_digests: bool,
    /// The file (PEM) of those one of whom must have signed `SHA256SUMS`; without it signatures are not looked at.
    pub trusted_keys: Option<PathBuf>,
    /// Where keys for encrypted versions come from.
    pub model_keys: Option<KeySource>,
}

/// A version as it lies in a repository.
pub(crate) struct Stored<'a> {
    pub(crate) name: VersionName,
    pub(crate) dir: &'a Path,
    pub(crate) found: &'a FoundVersion,
}

impl Trust {
    /// Whether the keys that it speaks of are there.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unavailable` where they are not.
    pub fn check(&self) -> Result<()> {
        self.trusted_keys.as_deref().map(trusted_keys).transpose()?;
        self.model_keys.as_ref().map(KeySource::read).transpose()?;
        Ok(())
    }

    /// The files of a version whose model's file has this name, all checked that can be at once.
    ///
    /// # Errors
    /// `InvalidArgument` that says what about them is wrong, `Unavailable` where they or keys cannot be read.
    pub(crate) fn files(&self, version: &Stored<'_>, model: &str) -> Result<Arc<dyn Files>> {
        let verified = self.verified(version)?;
        let encrypted = is_encrypted(version.found, model)?;
        let stored = if encrypted { format!("{model}{SUFFIX}") } else { model.to_owned() };
        let inner: Arc<dyn Files> = match verified {
            Some(files) => Arc::new(Listed { model: stored, files }),
            None => Arc::new(Folder::of(version.dir.join(stored))),
        };
        if !encrypted {
            return Ok(inner);
        }
        let source = self.model_keys.as_ref().ok_or_else(|| {
            Error::invalid(
                "it is encrypted, and this server has no keys for models; give it --model-key-file",
            )
        })?;
        Ok(Arc::new(Encrypted { model: model.to_owned(), inner, keys: source.read()? }))
    }

    fn verified(&self, version: &Stored<'_>) -> Result<Option<Verified>> {
        let required = self.require_digests || self.trusted_keys.is_some();
        if !version.found.sealed && required {
            let message = format!("it has no {DIGEST_FILE}, which this server requires; seal the version");
            return Err(Error::invalid(message));
        }
        if !version.found.sealed {
            return Ok(None);
        }
        let sums = Sums::read(version.dir)?;
        if let Some(file) = &self.trusted_keys {
            let signature = signature(version.dir)?;
            trusted_keys(file)?
                .check(sums.bytes(), &signature)
                .map_err(|error| error.context(SIGNATURE_FILE))?;
            is_for(&sums, &version.name)?;
        }
        sums.verify(version.dir).map(Some)
    }
}

/// Holds a signature that is for one version to this one.
///
/// # Errors
/// `InvalidArgument` where it is for another.
fn is_for(sums: &Sums, name: &VersionName) -> Result<()> {
    match sums.name()? {
        Some(signed) if signed != *name => Err(Error::invalid(format!(
            "it is signed as {signed}, and stands here as {name}; sign it as that (girandole seal --sign)"
        ))),
        _ => Ok(()),
    }
}

/// Whether the model's file is there, and encrypted.
///
/// # Errors
/// `InvalidArgument` where it is there in both forms.
fn is_encrypted(version: &FoundVersion, model: &str) -> Result<bool> {
    match (version.files.contains_key(model), version.files.contains_key(&format!("{model}{SUFFIX}"))) {
        (true, true) => {
            Err(Error::invalid(format!("it holds both '{model}' and '{model}{SUFFIX}'; keep one of them")))
        }
        (_, encrypted) => Ok(encrypted),
    }
}

fn trusted_keys(file: &Path) -> Result<TrustedKeys> {
    let unreadable =
        |e: io::Error| Error::unavailable(format!("the file of trusted keys cannot be read: {}", e.kind()));
    let pem = fs::read(file).map_err(unreadable)?;
    TrustedKeys::from_pem(&pem).map_err(|error| error.context("the file of trusted keys"))
}

fn signature(dir: &Path) -> Result<Vec<u8>> {
    let missing = |_| {
        Error::invalid(format!(
            "it has no {SIGNATURE_FILE}, which this server requires; sign the version (girandole seal --sign)"
        ))
    };
    let unreadable =
        |e: io::Error| Error::unavailable(format!("{SIGNATURE_FILE} cannot be read: {}", e.kind()));
    let mut signature = Vec::new();
    let file = File::open(dir.join(SIGNATURE_FILE)).map_err(missing)?;
    file.take(2 * SIGNATURE_BYTES as u64).read_to_end(&mut signature).map_err(unreadable)?;
    Ok(signature)
}

/// Files that are listed, as they were when their digests were checked.
#[derive(Debug)]
struct Listed {
    model: String,
    files: Verified,
}

impl Files for Listed {
    fn name(&self) -> &str {
        &self.model
    }

    fn model(&self) -> io::Result<Box<dyn Source>> {
        self.files.open(&self.model)
    }

    fn beside(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        self.files.open(&plain(path)?)
    }
}
