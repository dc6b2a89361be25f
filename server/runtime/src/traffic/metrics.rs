//! The traffic's metrics: where labels point, what arms weigh, and how many requests each got.

use std::{collections::HashMap, sync::Arc};

use girandole_core::RouteReason;
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};

use super::{Arm, Bindings, Traffic};

/// Requests that an arm got, by who chose.
const ARM_REQUESTS: &str = "girandole_arm_requests_total";
/// An arm's share of the split, 0 to 1.
const ARM_SHARE: &str = "girandole_arm_share";
/// The version that a label points to now; 0 for none.
const LABEL_VERSION: &str = "girandole_label_version";
/// Whether a label waits for its version.
const LABEL_PENDING: &str = "girandole_label_pending";
/// Whether the newest traffic file was refused.
const REFUSED: &str = "girandole_traffic_refused";

/// Why an arm may have got a request; for the others traffic has no say.
const REASONS: [RouteReason; 5] =
    [RouteReason::Label, RouteReason::Rule, RouteReason::Sticky, RouteReason::Split, RouteReason::Fallback];

/// Describes the traffic's metrics to the recorder in place.
pub(crate) fn describe() {
    describe_counter!(ARM_REQUESTS, "Requests that an arm of a model's traffic got, by who chose it");
    describe_gauge!(ARM_SHARE, "An arm's share of a model's split, 0 to 1");
    describe_gauge!(LABEL_VERSION, "The version that a label points to now, 0 for none");
    describe_gauge!(LABEL_PENDING, "Whether a label waits for the version that its traffic file says");
    describe_gauge!(
        REFUSED,
        "Whether a model's newest traffic file was refused, so that the one before it applies"
    );
}

/// One model's handles for requests. Labels and arms that are gone stay at 0, their counters where they were.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrafficMetrics {
    model: Arc<str>,
    requests: HashMap<Arc<str>, [Counter; 5]>,
}

impl TrafficMetrics {
    /// Shows what a model's traffic is from now on.
    pub(crate) fn show(model: &Arc<str>, traffic: &Traffic, bindings: &Bindings, refused: bool) -> Self {
        gauge!(REFUSED, "model" => model.to_string()).set(f64::from(u8::from(refused)));
        for (label, binding) in bindings {
            let labels = [("model", model.to_string()), ("label", label.clone())];
            gauge!(LABEL_VERSION, &labels).set(binding.bound.unwrap_or(0) as f64);
            gauge!(LABEL_PENDING, &labels).set(f64::from(u8::from(binding.is_pending())));
        }
        let arms = arms(traffic);
        let total: f64 = arms.iter().map(|arm| arm.weight).sum();
        for arm in arms {
            let labels = [("model", model.to_string()), ("arm", arm.name.to_string())];
            gauge!(ARM_SHARE, &labels).set(arm.weight / total);
        }
        let rules = traffic.rules.iter().map(|rule| rule.to.to_string().into());
        let labels = traffic.labels.keys().map(|label| label.as_str().into());
        let names = arms.iter().map(|arm| arm.name.clone()).chain(rules).chain(labels);
        let requests = names.map(|name: Arc<str>| (name.clone(), counters(model, &name))).collect();
        Self { model: model.clone(), requests }
    }

    /// Sets to nothing what was there before and is not any more.
    pub(crate) fn hide(&self, before: (&Traffic, &Bindings), after: (&Traffic, &Bindings)) {
        for label in before.1.keys().filter(|label| !after.1.contains_key(*label)) {
            let labels = [("model", self.model.to_string()), ("label", label.clone())];
            gauge!(LABEL_VERSION, &labels).set(0.0);
            gauge!(LABEL_PENDING, &labels).set(0.0);
        }
        let stays = |arm: &Arm| arms(after.0).iter().any(|other| other.name == arm.name);
        for arm in arms(before.0).iter().filter(|arm| !stays(arm)) {
            gauge!(ARM_SHARE, "model" => self.model.to_string(), "arm" => arm.name.to_string()).set(0.0);
        }
    }

    /// Whose these are.
    pub(crate) fn model(&self) -> Arc<str> {
        self.model.clone()
    }

    /// Counts a request.
    pub(crate) fn request(&self, arm: &str, reason: RouteReason) {
        let counters = self.requests.get(arm).into_iter().flatten();
        if let Some((_, counter)) = REASONS.iter().zip(counters).find(|(counted, _)| **counted == reason) {
            counter.increment(1);
        }
    }
}

fn arms(traffic: &Traffic) -> &[Arm] {
    traffic.split.as_ref().map_or(&[], |split| split.arms())
}

fn counters(model: &str, arm: &str) -> [Counter; 5] {
    REASONS.map(|reason| {
        let labels =
            [("model", model.to_owned()), ("arm", arm.to_owned()), ("reason", reason.as_str().to_owned())];
        let counter = counter!(ARM_REQUESTS, &labels);
        counter.increment(0);
        counter
    })
}
