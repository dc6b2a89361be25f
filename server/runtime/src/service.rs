//! The single door to the runtime: every protocol calls these methods and nothing else.

use std::sync::Arc;

use girandole_core::{InferRequest, InferResponse, ModelSpec, Result, VersionSelector};
use girandole_proto::config::ModelConfig;

use crate::statistics::ModelStatistics;

/// A handle on the runtime; clones share it.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner;

/// What a model's metadata say.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelMetadata {
    /// The model's name.
    pub name: String,
    /// Its versions that serve now, ascending.
    pub versions: Vec<u64>,
    /// What runs it, such as `onnx_girandole`.
    pub platform: String,
    /// Its inputs and outputs, the batch dimension included.
    pub spec: ModelSpec,
}

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum VersionState {
    Unknown,
    Loading,
    Ready,
    Unloading,
    Unavailable,
}

/// One line of the repository's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The model's name.
    pub name: String,
    /// The version, where one is known.
    pub version: Option<u64>,
    /// Where it stands; `None` for a model that was never loaded.
    pub state: Option<VersionState>,
    /// Why, where it is not READY.
    pub reason: String,
}

/// What a caller may change when it asks to load a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOverride {
    /// A model configuration as JSON that replaces the repository's for this load.
    pub config: Option<String>,
}

impl Service {
    /// Runs one request.
    ///
    /// Dropping the future cancels the request where it still waits.
    ///
    /// # Errors
    /// Any code of [`girandole_core::ErrorCode`] that a request can meet.
    pub async fn infer(&self, _request: InferRequest) -> Result<InferResponse> {
        unimplemented!()
    }

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
