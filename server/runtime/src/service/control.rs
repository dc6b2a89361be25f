//! What asks about models, or changes which of them serve.

use std::sync::{Arc, atomic::Ordering};

use girandole_core::{Error, ErrorCode, PrecisionReport, Result, VersionSelector};
use girandole_proto::config::ModelConfig;
use tokio::sync::oneshot;

use super::{IndexEntry, LoadOverride, ModelMetadata, Service, VersionState};
use crate::{
    lifecycle::Event,
    repository::is_model_name,
    routing::Routes,
    snapshot::{ServedModel, ServedVersion, unknown_model},
    statistics::ModelStatistics,
};

impl Service {
    /// The process answers.
    pub fn is_live(&self) -> bool {
        true
    }

    /// Every model that should serve does and can, and the server is not shutting down.
    pub fn is_ready(&self) -> bool {
        let ending = [&self.0.ready_withdrawn, &self.0.shutting_down];
        let snapshot = self.0.snapshot.load();
        let mut versions = snapshot.models.values().flat_map(|model| model.versions.values());
        !ending.iter().any(|flag| flag.load(Ordering::Acquire))
            && snapshot.ready
            && versions.all(|version| version.serving.health().is_ok())
    }

    /// Whether a version of a model serves now.
    ///
    /// # Errors
    /// `NotFound` where there is no such model or version.
    pub fn model_ready(&self, model: &str, version: &VersionSelector) -> Result<bool> {
        match self.find(model, version).and_then(|found| found.serving.health()) {
            Ok(()) => Ok(true),
            Err(error) if error.code() == ErrorCode::Unavailable => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A model's inputs, outputs and versions.
    ///
    /// # Errors
    /// `NotFound` for an unknown model or version, `Unavailable` with its state and reason where it does not serve.
    pub fn model_metadata(&self, model: &str, version: &VersionSelector) -> Result<ModelMetadata> {
        let snapshot = self.0.snapshot.load();
        let found = snapshot.find(model, version)?;
        let versions = snapshot.models.get(model).map(|model| model.versions.keys().copied().collect());
        Ok(ModelMetadata {
            name: found.model.to_string(),
            versions: versions.unwrap_or_default(),
            platform: found.config.platform.clone(),
            spec: found.settings.spec.clone(),
            properties: found.precision.as_ref().map(PrecisionReport::properties).unwrap_or_default(),
        })
    }

    /// A model's configuration, with everything inferred filled in.
    ///
    /// # Errors
    /// As [`Self::model_metadata`].
    pub fn model_config(&self, model: &str, version: &VersionSelector) -> Result<Arc<ModelConfig>> {
        Ok(self.find(model, version)?.config.clone())
    }

    /// Where a model's requests go now.
    ///
    /// # Errors
    /// `NotFound` for an unknown model.
    pub fn routes(&self, model: &str) -> Result<Arc<Routes>> {
        let snapshot = self.0.snapshot.load();
        let found = snapshot.models.get(model).ok_or_else(|| unknown_model(model))?;
        Ok(found.routes.clone())
    }

    /// Counts and durations since the version was loaded: of one model, or of all that serve.
    ///
    /// # Errors
    /// `NotFound` for an unknown model or version.
    pub fn statistics(&self, model: Option<&str>, version: &VersionSelector) -> Result<Vec<ModelStatistics>> {
        let snapshot = self.0.snapshot.load();
        match (model, version) {
            (Some(name), VersionSelector::Any) => {
                snapshot.find(name, version)?;
                Ok(snapshot.models.get(name).map(|model| statistics_of(model)).unwrap_or_default())
            }
            (Some(name), _) => Ok(vec![snapshot.find(name, version)?.serving.statistics()]),
            (None, _) => {
                let mut models: Vec<_> = snapshot.models.values().collect();
                models.sort_unstable_by(|a, b| a.name.cmp(&b.name));
                Ok(models.into_iter().flat_map(|model| statistics_of(model)).collect())
            }
        }
    }

    /// Every model of the repository and where its versions stand, by name and version.
    pub fn repository_index(&self, ready_only: bool) -> Vec<IndexEntry> {
        let snapshot = self.0.snapshot.load();
        let mut entries: Vec<_> = snapshot.models.values().flat_map(|model| index_of(model)).collect();
        if let Some(why) = &snapshot.unreachable {
            let silent = entries.iter_mut().filter(|entry| entry.reason.is_empty());
            silent.for_each(|entry| entry.reason = format!("as it was last seen: {why}"));
        }
        entries.retain(|entry| !ready_only || entry.state == Some(VersionState::Ready));
        entries.sort_unstable_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        entries
    }

    /// Loads or reloads a model and waits until it serves or failed.
    ///
    /// # Errors
    /// `Unimplemented` unless the control mode is explicit, `NotFound` for an unknown model, `InvalidArgument`
    /// or `Unavailable` with the reason of the failure.
    pub async fn load_model(&self, model: &str, overrides: LoadOverride) -> Result<()> {
        // While a load runs its model is in the index, where none of such a name may be.
        if self.0.explicit && !is_model_name(model) {
            return Err(unknown_model(model));
        }
        self.change(|done| Event::Load(model.to_owned(), overrides.config, done)).await
    }

    /// Unloads every version of a model and waits until new requests are refused.
    ///
    /// # Errors
    /// `Unimplemented` unless the control mode is explicit, `NotFound` for an unknown model.
    pub async fn unload_model(&self, model: &str) -> Result<()> {
        self.change(|done| Event::Unload(model.to_owned(), done)).await
    }

    fn find(&self, model: &str, version: &VersionSelector) -> Result<Arc<ServedVersion>> {
        self.0.snapshot.load().find(model, version).cloned()
    }

    async fn change(&self, event: impl FnOnce(oneshot::Sender<Result<()>>) -> Event) -> Result<()> {
        if !self.0.explicit {
            let message = "models are loaded and unloaded by request only with --model-control-mode=explicit";
            return Err(Error::new(ErrorCode::Unimplemented, message));
        }
        self.ask(event).await
    }
}

fn statistics_of(model: &ServedModel) -> Vec<ModelStatistics> {
    model.versions.values().map(|version| version.serving.statistics()).collect()
}

/// A line for each version; one for the model where no version was ever tried.
fn index_of(model: &ServedModel) -> Vec<IndexEntry> {
    let problem = model.problem.clone().unwrap_or_default();
    if model.states.is_empty() {
        let state = model.problem.as_ref().map(|_| VersionState::Unavailable);
        return vec![IndexEntry { name: model.name.to_string(), version: None, state, reason: problem }];
    }
    let entries = model.states.iter().map(|(&version, status)| {
        let serving = model.versions.get(&version).map(|version| &version.serving);
        let (state, reason) = match serving.map(|serving| (serving.health(), serving.breaker().trip())) {
            Some((Err(error), _)) => (VersionState::Unavailable, error.message().to_owned()),
            Some((Ok(()), Some(trip))) => (status.state, trip.to_string()),
            _ if status.reason.is_empty() => (status.state, problem.clone()),
            _ => (status.state, status.reason.clone()),
        };
        IndexEntry { name: model.name.to_string(), version: Some(version), state: Some(state), reason }
    });
    entries.collect()
}
