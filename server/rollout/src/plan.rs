//! What an operator says about a rollout: steps, guard rails, and how sure a verdict has to be.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{Metric, blind};

/// Most steps of a plan: each takes its share of [`Plan::alpha`].
const MAX_STEPS: usize = 100;
/// Shortest time between two evaluations.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// Longest time between two evaluations.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// A rollout's plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What the canary gets, one after the other.
    pub steps: Vec<Step>,
    /// Limits that the canary must not exceed.
    pub guards: BTreeMap<Metric, f64>,
    /// Samples of both arms that every guard needs before a step is over.
    pub min_samples: u64,
    /// How often the guards are looked at.
    pub interval: Duration,
    /// The chance, at most, that a canary within all limits is rolled back, over the whole rollout.
    pub alpha: f64,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Of a hundred requests to both arms, so many go to the canary.
    pub set_weight: f64,
    /// When the step is over.
    pub pause: Pause,
}

/// When a step is over, once every guard has its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Pause {
    /// Then.
    #[default]
    None,
    /// When so much time has passed and the canary answered so many requests; what is not given counts as done.
    Until {
        /// Time since the step began.
        duration: Option<Duration>,
        /// The canary's requests in the step.
        requests: Option<u64>,
    },
    /// When a person promotes it.
    Promoted,
}

impl Plan {
    /// Everything that is wrong with it, each as the key's name and what is wrong.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            mistakes.push(format!("steps: expected 1 to {MAX_STEPS}, got {}", self.steps.len()));
        }
        for (i, step) in self.steps.iter().enumerate() {
            if !(step.set_weight > 0.0 && step.set_weight <= 100.0) {
                let got = step.set_weight;
                mistakes.push(format!("steps[{i}].set_weight: expected above 0 and at most 100, got {got}"));
            }
        }
        if !self.steps.is_sorted_by(|a, b| a.set_weight < b.set_weight) {
            mistakes.push("steps: each set_weight must be above the one before".to_owned());
        }
        if self.steps.first().is_some_and(|step| step.set_weight >= 100.0) {
            mistakes
                .push("steps[0].set_weight: at 100 there is nothing to compare the canary with".to_owned());
        }
        if self.guards.is_empty() {
            let all = Metric::ALL.map(Metric::as_str).join(", ");
            mistakes.push(format!("guards: at least one is needed, of {all}"));
        }
        for (metric, &limit) in &self.guards {
            if let Err(expected) = metric.takes(limit) {
                mistakes.push(format!("guards.{metric}: expected {expected}, got {limit}"));
            }
        }
        if self.min_samples == 0 {
            mistakes.push("min_samples: expected 1 or more, got 0".to_owned());
        }
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&self.interval) {
            let got = self.interval;
            mistakes.push(format!("interval: expected {MIN_INTERVAL:?} to a day, got {got:?}"));
        }
        if !(1e-9..=0.5).contains(&self.alpha) {
            mistakes.push(format!("alpha: expected 1e-9 to 0.5, got {}", self.alpha));
        }
        if mistakes.is_empty() {
            mistakes.extend(blind::mistakes(self));
        }
        mistakes
    }

    /// The share of [`Self::alpha`] that one guard may spend in one step (Bonferroni).
    pub fn guard_alpha(&self) -> f64 {
        self.alpha / (self.guards.len().max(1) * self.steps.len().max(1)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn plan() -> Plan {
        let step = |set_weight| Step { set_weight, pause: Pause::None };
        Plan {
            steps: vec![step(5.0), step(50.0)],
            guards: [(Metric::ErrorRate, 0.01), (Metric::Ks, 0.1)].into(),
            min_samples: 100,
            interval: Duration::from_secs(1),
            alpha: 0.04,
        }
    }

    #[test]
    fn alpha_is_shared_out_over_guards_and_steps() {
        assert!(plan().mistakes().is_empty());
        assert_eq!(plan().guard_alpha(), 0.01);
    }

    #[test]
    fn every_mistake_is_told() {
        let wrong = Plan {
            steps: vec![
                Step { set_weight: 50.0, pause: Pause::None },
                Step { set_weight: 0.0, pause: Pause::None },
            ],
            guards: [(Metric::Ks, 1.0), (Metric::LatencyP50, f64::NAN)].into(),
            min_samples: 0,
            interval: Duration::ZERO,
            alpha: 0.0,
        };
        let told = wrong.mistakes().join("; ");
        for part in [
            "steps[1].set_weight",
            "each set_weight",
            "guards.ks",
            "guards.latency_p50",
            "min_samples",
            "interval",
            "alpha",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let none = Plan { steps: Vec::new(), guards: BTreeMap::new(), ..plan() };
        assert_eq!(none.mistakes().len(), 2);
        let alone = Plan { steps: vec![Step { set_weight: 100.0, pause: Pause::None }], ..plan() };
        assert!(alone.mistakes().join("").starts_with("steps[0].set_weight: at 100"));
    }

    #[test]
    fn guards_that_cannot_break_are_told_once_all_else_is_right() {
        let blind = Plan { min_samples: 1, ..plan() };
        assert!(blind.mistakes().join("").contains("guards.ks to ever break"));
        let wrong = Plan { alpha: 2.0, ..blind };
        assert_eq!(wrong.mistakes(), ["alpha: expected 1e-9 to 0.5, got 2"]);
    }
}
