//! Whether a version is out of the traffic, by model and version.

use metrics::{Gauge, describe_gauge, gauge};

const TRIPPED: &str = "girandole_version_tripped";

/// Describes the breakers' metric to the recorder in place.
pub(crate) fn describe() {
    describe_gauge!(
        TRIPPED,
        "Whether a version is out of the traffic, since its runs failed or it has no session"
    );
}

/// One version's gauge; 0 when it is made and when the version goes.
#[derive(Debug)]
pub(super) struct TrippedGauge(Gauge);

impl TrippedGauge {
    pub(super) fn new(model: &str, version: u64) -> Self {
        let gauge = gauge!(TRIPPED, "model" => model.to_owned(), "version" => version.to_string());
        gauge.set(0.0);
        Self(gauge)
    }

    pub(super) fn set(&self, tripped: bool) {
        self.0.set(f64::from(u8::from(tripped)));
    }
}

impl Drop for TrippedGauge {
    fn drop(&mut self) {
        self.set(false);
    }
}
