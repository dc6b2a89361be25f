//! What came of copies, by model and version.

use girandole_core::Error;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use tracing::debug;

/// Copies by what came of them.
const REQUESTS: &str = "girandole_shadow_requests_total";
/// How far a shadow's outputs were off.
pub(crate) const DIFFERENCE: &str = "girandole_shadow_difference";
/// The difference's buckets.
pub(crate) const BUCKETS: &[f64] = &[0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0];

/// Describes the shadows' metrics to the recorder in place.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Copies of requests that a shadow version got, by what came of them");
    describe_histogram!(DIFFERENCE, "Largest relative difference of a shadow's outputs from the caller's");
}

/// What came of a copy.
#[derive(Clone, Copy)]
enum Outcome {
    /// The outputs are the caller's, within the tolerance.
    Agreed,
    /// They are not.
    Differed,
    /// There are none.
    Failed,
    /// It was not run: its version had something else to do.
    Dropped,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Agreed, Self::Differed, Self::Failed, Self::Dropped];

    const fn label(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Differed => "differed",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// One version's handles.
#[derive(Debug)]
pub(crate) struct ShadowMetrics {
    outcomes: [Counter; 4],
    difference: Histogram,
    model: String,
    version: u64,
}

impl ShadowMetrics {
    /// Registers every series of the version, at zero.
    pub(crate) fn new(model: &str, version: u64) -> Self {
        let labels = [("model", model.to_owned()), ("version", version.to_string())];
        let outcome = |outcome: Outcome| {
            let [model, version] = labels.clone();
            let counter = counter!(REQUESTS, &[model, version, ("outcome", outcome.label().to_owned())]);
            counter.increment(0);
            counter
        };
        Self {
            outcomes: Outcome::ALL.map(outcome),
            difference: histogram!(DIFFERENCE, &labels),
            model: model.to_owned(),
            version,
        }
    }

    /// A difference that is no number counts, and stays out of the histogram, whose sum it would spoil.
    pub(super) fn compared(&self, difference: f64, tolerance: f64) {
        if difference.is_finite() {
            self.difference.record(difference);
        }
        self.count(if difference <= tolerance { Outcome::Agreed } else { Outcome::Differed });
    }

    pub(super) fn failed(&self, error: &Error) {
        debug!(model = self.model, version = self.version, %error, "a shadow's answer failed");
        self.count(Outcome::Failed);
    }

    pub(super) fn dropped(&self) {
        self.count(Outcome::Dropped);
    }

    fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.outcomes.get(outcome as usize) {
            counter.increment(1);
        }
    }
}
