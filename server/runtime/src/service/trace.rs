//! Triton's trace settings: shown and changed, globally or for one model.

use girandole_core::{
    Result,
    audit::{Actor, Change, What},
};

use super::Service;
use crate::{
    snapshot::unknown_model,
    trace::{TraceChanges, TraceSettings},
};

impl Service {
    /// The trace settings in force: of a model, or of all that have none of their own.
    ///
    /// # Errors
    /// `NotFound` for an unknown model.
    pub fn trace_settings(&self, model: Option<&str>) -> Result<TraceSettings> {
        self.check_known(model)?;
        Ok(self.0.tracer.settings(model))
    }

    /// Changes trace settings, all of them or none, and answers with those then in force. A setting without
    /// values is cleared: a model's falls back to the global one, a global one to that of the start.
    ///
    /// # Errors
    /// `NotFound` for an unknown model, `InvalidArgument` for an unknown setting or value or where the server
    /// has no trace file, `PermissionDenied` for the file itself.
    pub fn update_trace_settings(
        &self,
        model: Option<&str>,
        changes: &TraceChanges,
    ) -> Result<TraceSettings> {
        self.check_known(model)?;
        let settings = self.0.tracer.update(model, changes)?;
        let change = Change { model: model.map(str::to_owned), ..Change::new(changed(changes)) };
        self.0.witness.record(&Actor::Client, change);
        Ok(settings)
    }

    fn check_known(&self, model: Option<&str>) -> Result<()> {
        match model {
            Some(name) if !self.0.snapshot.load().models.contains_key(name) => Err(unknown_model(name)),
            _ => Ok(()),
        }
    }
}

fn changed(changes: &TraceChanges) -> What {
    What::TraceSettingsChanged { settings: changes.clone().into_iter().collect() }
}
