//! The rollouts' metrics: where each stands, what its canary gets, and how often it was taken back.

use girandole_rollout::{Metric, Phase, Reason};
use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::Rollout;

/// 1 for the state in which a model's rollout is, 0 for the others.
const STATE: &str = "girandole_rollout_state";
/// What the canary gets of a hundred requests to both arms.
const WEIGHT: &str = "girandole_rollout_weight";
/// Rollouts that were taken back, by reason.
const ROLLBACKS: &str = "girandole_rollout_rollbacks_total";

/// Describes the rollouts' metrics to the recorder in place.
pub(crate) fn describe() {
    describe_gauge!(STATE, "1 for the state that a model's rollout is in, 0 for the others");
    describe_gauge!(
        WEIGHT,
        "What the canary of a model's rollout gets, out of a hundred requests to both arms"
    );
    describe_counter!(ROLLBACKS, "Rollouts of a model that were taken back, by reason");
}

/// One model's series.
pub(crate) struct RolloutMetrics<'a>(pub(crate) &'a str);

impl RolloutMetrics<'_> {
    /// Shows a rollout where another one, or none, was.
    pub(crate) fn show(&self, rollout: Option<&Rollout>) {
        for phase in Phase::ALL {
            let is = rollout.is_some_and(|rollout| rollout.state.phase == phase);
            gauge!(STATE, "model" => self.0.to_owned(), "state" => phase.as_str())
                .set(f64::from(u8::from(is)));
        }
        gauge!(WEIGHT, "model" => self.0.to_owned()).set(rollout.map_or(0.0, Rollout::weight));
        for reason in Metric::ALL.map(Metric::as_str).into_iter().chain([Reason::Aborted.as_str()]) {
            self.rollbacks(reason).increment(0);
        }
    }

    /// Counts a rollback.
    pub(crate) fn rolled_back(&self, reason: &Reason) {
        self.rollbacks(reason.as_str()).increment(1);
    }

    fn rollbacks(&self, reason: &'static str) -> metrics::Counter {
        counter!(ROLLBACKS, "model" => self.0.to_owned(), "reason" => reason)
    }
}
