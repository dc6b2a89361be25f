//! Everything that requests need to know about models, as of one moment.
//!
//! Invariant: a snapshot is never changed. The lifecycle builds the next one and stores it with one swap, so
//! a request sees one consistent state from its start to its end, and keeps its version alive by reference.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use girandole_core::{Error, Result, VersionSelector};
use girandole_proto::config::ModelConfig;

use crate::{instances::Serving, service::VersionState, settings::ModelSettings};

/// All models that the repository holds, serving or not.
#[derive(Default)]
pub struct Snapshot {
    /// Models by name.
    pub models: HashMap<Arc<str>, Arc<ServedModel>>,
}

/// One model: the versions that serve, and where every version stands.
pub struct ServedModel {
    /// Its name.
    pub name: Arc<str>,
    /// The versions that serve, ascending.
    pub versions: BTreeMap<u64, Arc<ServedVersion>>,
    /// Where every version stands that was ever tried, those that serve included.
    pub states: BTreeMap<u64, VersionStatus>,
    /// What is wrong with the model as a whole, such as a configuration that does not parse.
    pub problem: Option<String>,
}

/// Where a version stands, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionStatus {
    /// Where it stands.
    pub state: VersionState,
    /// Why, where it is not READY; where it is, why its newest files do not serve. Else empty.
    pub reason: String,
}

/// A version that serves. Its sessions close when the last reference goes.
pub struct ServedVersion {
    /// The model's name.
    pub model: Arc<str>,
    /// The version.
    pub version: u64,
    /// How it is served.
    pub settings: Arc<ModelSettings>,
    /// The same as clients see it, everything inferred filled in.
    pub config: Arc<ModelConfig>,
    /// Its queue and sessions.
    pub serving: Serving,
}

impl Snapshot {
    /// The version that a selector means: the number, or for any the newest that serves.
    ///
    /// # Errors
    /// `NotFound` for an unknown model or version, `Unavailable` with state and reason for one that does
    /// not serve now.
    pub fn find(&self, model: &str, selector: &VersionSelector) -> Result<&Arc<ServedVersion>> {
        let model = self
            .models
            .get(model)
            .ok_or_else(|| Error::not_found(format!("unknown model '{}'", clip(model))))?;
        match selector {
            VersionSelector::Any => {
                model.versions.last_key_value().map(|(_, version)| version).ok_or_else(|| model.not_serving())
            }
            VersionSelector::Number(number) => {
                model.versions.get(number).ok_or_else(|| model.version_not_serving(*number))
            }
            VersionSelector::Label(label) => Err(Error::not_found(format!(
                "model '{}' has no version label '{}'",
                model.name,
                clip(label)
            ))),
        }
    }
}

impl ServedModel {
    /// Why no version serves.
    fn not_serving(&self) -> Error {
        if let Some(problem) = &self.problem {
            return Error::unavailable(format!("model '{}' does not serve: {problem}", self.name));
        }
        match self.states.last_key_value() {
            Some((version, status)) => Error::unavailable(format!(
                "model '{}' does not serve: version {version} {status}",
                self.name
            )),
            None => Error::unavailable(format!("model '{}' is not loaded", self.name)),
        }
    }

    fn version_not_serving(&self, version: u64) -> Error {
        match self.states.get(&version) {
            Some(status) => Error::unavailable(format!("model '{}' version {version} {status}", self.name)),
            None => Error::not_found(format!("model '{}' has no version {version}", self.name)),
        }
    }
}

impl std::fmt::Display for VersionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "is {}", self.state)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// A caller's text, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}
