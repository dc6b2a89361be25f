//! What would load, and why not: everything that comes before sessions are opened, without a server.

use std::{path::PathBuf, sync::Arc};

use girandole_core::{Error, Loader, ModelSpec, Result};
use girandole_proto::config::ModelConfig;

use super::{
    plan,
    prepare::{Preparation, read_config},
};
use crate::{
    config::{Completion, Devices, VersionPolicy},
    repository::{FoundModel, Roots, Trust},
};

/// What models are held against.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// What may be inferred.
    pub completion: Completion,
    /// Where sessions could go.
    pub devices: Devices,
    /// What is asked of versions' files.
    pub trust: Trust,
}

/// What was found about one version, or about a model that has none to look at.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The model's name.
    pub model: String,
    /// The version, where it got that far.
    pub version: Option<u64>,
    /// What would serve, or what is wrong.
    pub outcome: Result<Checked>,
}

/// A version that would serve.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What it takes and gives.
    pub spec: ModelSpec,
    /// Its configuration, everything inferred filled in.
    pub config: ModelConfig,
}

/// Loads every version that would serve, without serving it.
///
/// # Errors
/// `Unavailable` where a repository cannot be read.
pub fn check(roots: &[PathBuf], loader: Arc<dyn Loader>, options: &CheckOptions) -> Result<Vec<CheckReport>> {
    let listing = Roots::new(roots).scan()?;
    let preparation = Preparation {
        loader,
        completion: options.completion,
        devices: options.devices,
        trust: options.trust.clone(),
    };
    Ok(listing.models.iter().flat_map(|(name, found)| check_model(&preparation, name, found)).collect())
}

fn check_model(preparation: &Preparation, name: &str, found: &FoundModel) -> Vec<CheckReport> {
    match versions(name, found) {
        Err(error) => vec![CheckReport { model: name.to_owned(), version: None, outcome: Err(error) }],
        Ok((written, versions)) => {
            let report = |number| CheckReport {
                model: name.to_owned(),
                version: Some(number),
                outcome: check_version(preparation, name, found, number, &written),
            };
            versions.into_iter().map(report).collect()
        }
    }
}

fn versions(name: &str, found: &FoundModel) -> Result<(ModelConfig, Vec<u64>)> {
    if let Some(problem) = &found.problem {
        return Err(Error::invalid(problem.clone()));
    }
    let written = read_config(&found.dir, None)?;
    let policy = VersionPolicy::from_config(written.version_policy.as_ref())?;
    let traffic = found.traffic.as_ref().map(|traffic| traffic.parse(name)).transpose()?.unwrap_or_default();
    let wanted = plan::wanted(&policy, &traffic.versions(), found, &Default::default());
    if wanted.is_empty() {
        return Err(Error::invalid(plan::nothing_to_serve(&policy, found)));
    }
    Ok((written, wanted.into_iter().collect()))
}

fn check_version(
    preparation: &Preparation,
    name: &str,
    found: &FoundModel,
    number: u64,
    written: &ModelConfig,
) -> Result<Checked> {
    let prepared = preparation.version(name, found, number, written)?;
    Ok(Checked { spec: prepared.resolved.settings.spec, config: prepared.resolved.config })
}
