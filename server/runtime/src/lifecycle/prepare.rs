//! What it takes to know whether a version can serve: its configuration, its digests, the engine's word.

use std::{
    fs,
    io::{self, Read},
    path::{Component, Path},
    sync::Arc,
};

use girandole_core::{Error, Format, LoadOptions, LoadRequest, Loader, Model, Result};
use girandole_proto::config::ModelConfig;
use girandole_seal::SUFFIX;

use crate::{
    config::{self, CONFIG_FILE, Completion, Context, Devices, Resolved},
    repository::{FoundModel, FoundVersion, Stored, Trust, VersionName, differ, version_files},
};

/// The most bytes of a configuration.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// How models are prepared.
pub(super) struct Preparation {
    pub(super) loader: Arc<dyn Loader>,
    pub(super) completion: Completion,
    pub(super) devices: Devices,
    pub(super) trust: Trust,
}

/// A version that could serve.
pub(super) struct Prepared {
    pub(super) model: Arc<dyn Model>,
    pub(super) resolved: Resolved,
}

/// The configuration as written; without a file, one that says nothing.
///
/// # Errors
/// `InvalidArgument` where it does not parse.
pub(super) fn read_config(dir: &Path, overriding: Option<&str>) -> Result<ModelConfig> {
    if let Some(json) = overriding {
        return config::parse_json(json);
    }
    let mut text = String::new();
    let unreadable = |e: io::Error| Error::unavailable(format!("{CONFIG_FILE} cannot be read: {}", e.kind()));
    match fs::File::open(dir.join(CONFIG_FILE)) {
        Ok(file) => file.take(MAX_CONFIG_BYTES).read_to_string(&mut text).map_err(unreadable)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(unreadable(e)),
    };
    config::parse_text(&text)
}

impl Preparation {
    /// Verifies, loads and configures one version. Takes as long as the engine does.
    ///
    /// # Errors
    /// What is wrong with it, for the model's author.
    pub(super) fn version(
        &self,
        name: &str,
        found: &FoundModel,
        number: u64,
        written: &ModelConfig,
    ) -> Result<Prepared> {
        let dir = found.dir.join(number.to_string());
        let version = found.versions.get(&number).cloned().unwrap_or_default();
        let filename = filename(written, &version)?;
        let stored = Stored {
            name: VersionName { model: name.to_owned(), version: number },
            dir: &dir,
            found: &version,
        };
        let files = self.trust.files(&stored, filename)?;
        let options = LoadOptions {
            placements: config::placements(written, self.devices)?,
            parameters: config::parameters(written),
        };
        let request = LoadRequest { name: name.to_owned(), version: number, files, options };
        let model = self.loader.load(&request)?;
        let context = Context {
            name,
            dir: &found.dir,
            spec: model.spec(),
            devices: self.devices,
            completion: self.completion,
            filename,
        };
        let resolved = config::resolve(written, &context)?;
        check_unchanged(found, number, &dir)?;
        let model = resolved.reshapes.clone().wrap(model);
        Ok(Prepared { model, resolved })
    }
}

/// Files that are written while they are read may have been read half old, half new.
fn check_unchanged(found: &FoundModel, number: u64, dir: &Path) -> Result<()> {
    let before = found.versions.get(&number).map(|version| &version.files);
    let now = version_files(dir)
        .map_err(|e| Error::unavailable(format!("its files cannot be read any more: {}", e.kind())))?;
    if before.is_none_or(|before| !differ(before, &now)) {
        return Ok(());
    }
    Err(Error::unavailable("its files changed while they were read; load it again when they are complete"))
}

/// The name of the model's file, whether it lies there under it or encrypted.
fn filename<'a>(written: &'a ModelConfig, version: &FoundVersion) -> Result<&'a str> {
    let given = written.default_model_filename.as_str();
    let mut parts = Path::new(given).components();
    let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    if !given.is_empty() && !plain {
        return Err(Error::invalid("default_model_filename: must be a file's name, without directories"));
    }
    let there = |name: &str| version.files.contains_key(name);
    let has = |name: &str| there(name) || there(&format!("{name}{SUFFIX}"));
    match given {
        "" => Format::FILE_NAMES.into_iter().find(|name| has(name)).ok_or_else(|| {
            Error::invalid(format!("its directory holds no {}", Format::FILE_NAMES.join(" and no ")))
        }),
        given if has(given) => Ok(given),
        given => Err(Error::invalid(format!(
            "its directory holds no '{given}', which default_model_filename names"
        ))),
    }
}
