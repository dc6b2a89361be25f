//! What asks about models, or changes which of them serve.

use std::sync::Arc;

use girandole_core::{Result, VersionSelector};
use girandole_proto::config::ModelConfig;

use super::{IndexEntry, LoadOverride, ModelMetadata, Service};
use crate::statistics::ModelStatistics;

impl Service {
    /// The process answers.
    pub fn is_live(&self) -> bool {
        unimplemented!()
    }

    /// Every model that should serve does, and the server is not shutting down.
    pub fn is_ready(&self) -> bool {
        unimplemented!()
    }

    /// Whether a version of a model serves now.
    ///
    /// # Errors
    /// `NotFound` where there is no such model or version.
    pub fn model_ready(&self, _model: &str, _version: &VersionSelector) -> Result<bool> {
        unimplemented!()
    }

    /// A model's inputs, outputs and versions.
    ///
    /// # Errors
    /// `NotFound` for an unknown model or version, `Unavailable` with its state and reason where it does not serve.
    pub fn model_metadata(&self, _model: &str, _version: &VersionSelector) -> Result<ModelMetadata> {
        unimplemented!()
    }

    /// A model's configuration, with everything inferred filled in.
    ///
    /// # Errors
    /// As [`Self::model_metadata`].
    pub fn model_config(&self, _model: &str, _version: &VersionSelector) -> Result<Arc<ModelConfig>> {
        unimplemented!()
    }

    /// Counts and durations since the version was loaded: of one model, or of all that serve.
    ///
    /// # Errors
    /// `NotFound` for an unknown model or version.
    pub fn statistics(
        &self,
        _model: Option<&str>,
        _version: &VersionSelector,
    ) -> Result<Vec<ModelStatistics>> {
        unimplemented!()
    }

    /// Every model of the repository and where its versions stand.
    pub fn repository_index(&self, _ready_only: bool) -> Vec<IndexEntry> {
        unimplemented!()
    }

    /// Loads or reloads a model and waits until it serves or failed.
    ///
    /// # Errors
    /// `Unimplemented` unless the control mode is explicit, `NotFound` for an unknown model, `InvalidArgument`
    /// or `Unavailable` with the reason of the failure.
    pub async fn load_model(&self, _model: &str, _overrides: LoadOverride) -> Result<()> {
        unimplemented!()
    }

    /// Unloads every version of a model and waits until new requests are refused.
    ///
    /// # Errors
    /// `Unimplemented` unless the control mode is explicit, `NotFound` for an unknown model.
    pub async fn unload_model(&self, _model: &str) -> Result<()> {
        unimplemented!()
    }
}
