//! The circuit breakers of a model's versions for people.

use girandole_core::Result;

use super::Service;
use crate::{
    breaker::BreakerStatus,
    snapshot::{ServedVersion, unknown_model},
    sync::now,
};

impl Service {
    /// How the circuit breakers of the versions stand that serve, ascending.
    ///
    /// # Errors
    /// `NotFound` for an unknown model.
    pub fn breakers(&self, model: &str) -> Result<Vec<BreakerStatus>> {
        let snapshot = self.0.snapshot.load();
        let found = snapshot.models.get(model).ok_or_else(|| unknown_model(model))?;
        Ok(found.versions.values().map(|version| self.breaker(version)).collect())
    }

    fn breaker(&self, version: &ServedVersion) -> BreakerStatus {
        let status = version.serving.breaker().status(now(), self.0.clock);
        let lost = || version.serving.health().err().map(|error| error.message().to_owned());
        BreakerStatus { reason: status.reason.or_else(lost), ..status }
    }
}
