//! The process's metrics: recorded for Prometheus, each version's series apart, so that they go with it.
//!
//! Invariant: a version's series stay for as long as it serves, loads or drains, and for a while after, so that
//! whoever scrapes sees their last values; then they are gone, however many versions come and go.

mod families;
mod gone;
mod recorder;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use girandole_runtime::{
    metrics as runtime_metrics,
    service::{Service, VersionState},
};

use self::{gone::Gone, recorder::ByVersion};
use crate::commands::Failure;

/// How often histograms are brought up to date, and looked which versions are gone.
const UPKEEP: Duration = Duration::from_secs(1);

/// A model's name and a version, as labels have them.
type VersionKey = (String, String);

/// Everything that is measured.
#[derive(Clone)]
pub(crate) struct Registry(Arc<ByVersion>);

impl Registry {
    /// Takes in whatever the process measures from now on.
    ///
    /// # Errors
    /// Where something else does already.
    pub(crate) fn install() -> Result<Self, Failure> {
        let recorder = Arc::new(ByVersion::new());
        metrics::set_global_recorder(recorder.clone())
            .map_err(|_| Failure::new("metrics are recorded by something else already"))?;
        runtime_metrics::describe();
        girandole_audit::describe();
        Ok(Self(recorder))
    }

    /// All of it as Prometheus' text.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps it up to date for as long as the process lives.
    pub(crate) fn look_after(&self, service: Service) {
        let recorder = self.0.clone();
        let mut gone = Gone::default();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                recorder.run_upkeep();
                let expired = gone.expired(recorder.versions(), &present(&service), Instant::now());
                recorder.forget(&expired);
            }
        });
    }
}

/// The versions that something is done with.
fn present(service: &Service) -> BTreeSet<VersionKey> {
    let index = service.repository_index(false).into_iter();
    let busy = index.filter(|entry| {
        matches!(entry.state, Some(VersionState::Loading | VersionState::Ready | VersionState::Unloading))
    });
    busy.filter_map(|entry| Some((entry.name, entry.version?.to_string()))).collect()
}
