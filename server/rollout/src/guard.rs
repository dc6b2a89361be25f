//! Guard rails: what both arms' observations say about each limit.
//!
//! A guard is broken where a bound that holds at every look is beyond its limit, never because an average is. Each
//! guard's share of alpha is halved between what is estimated of the two arms.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Metric, Observed, Plan, arm::Arm, bernoulli, distance, quantile};

/// What is known about one guard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it watches.
    pub metric: Metric,
    /// What the canary may have of it.
    pub limit: f64,
    /// What the canary has at least, as sure as the plan asks for.
    pub bound: f64,
    /// What it has by plain averages; `None` before there are any.
    pub estimate: Option<f64>,
    /// Samples of the arm that has fewer.
    pub samples: u64,
}

impl Verdict {
    /// Whether the canary is beyond the limit.
    pub fn broken(&self) -> bool {
        self.bound > self.limit
    }
}

/// Every guard's verdict, in the order of their metrics.
pub fn judge(plan: &Plan, observed: &Observed) -> Vec<Verdict> {
    plan.guards.iter().map(|(&metric, &limit)| verdict(plan, metric, limit, observed)).collect()
}

/// One guard's verdict.
pub(crate) fn verdict(plan: &Plan, metric: Metric, limit: f64, observed: &Observed) -> Verdict {
    let (bound, estimate) = measured(metric, observed, plan.guard_alpha());
    Verdict { metric, limit, bound, estimate, samples: samples(metric, observed) }
}

/// Samples that a guard has: of the arm that has fewer.
fn samples(metric: Metric, observed: &Observed) -> u64 {
    let of: fn(&Arm) -> u64 = match metric {
        Metric::ErrorRate => Arm::requests,
        Metric::LatencyP50 | Metric::LatencyP99 => |arm| arm.latency.total(),
        Metric::Disagreement => return observed.canary.compared,
        Metric::Ks => |arm| arm.values.total(),
        Metric::Psi => |arm| arm.bins.iter().sum(),
    };
    of(&observed.stable).min(of(&observed.canary))
}

/// The bound and the estimate of a metric.
fn measured(metric: Metric, observed: &Observed, alpha: f64) -> (f64, Option<f64>) {
    let (stable, canary) = (&observed.stable, &observed.canary);
    match metric {
        Metric::ErrorRate => error_rate(stable, canary, alpha / 2.0),
        Metric::LatencyP50 => latency(stable, canary, 0.5, alpha / 2.0),
        Metric::LatencyP99 => latency(stable, canary, 0.99, alpha / 2.0),
        Metric::Disagreement => disagreement(canary, alpha),
        Metric::Ks => ks(observed, alpha / 2.0),
        Metric::Psi => {
            let there = samples(metric, observed) > 0;
            (distance::psi_lower(stable, canary, alpha), there.then(|| distance::psi(stable, canary)))
        }
    }
}

fn error_rate(stable: &Arm, canary: &Arm, alpha: f64) -> (f64, Option<f64>) {
    let worst = bernoulli::upper(stable.errors, stable.requests(), alpha);
    let best = bernoulli::lower(canary.errors, canary.requests(), alpha);
    let estimate = rate(canary.errors, canary.requests()).zip(rate(stable.errors, stable.requests()));
    (best - worst, estimate.map(|(canary, stable)| canary - stable))
}

fn latency(stable: &Arm, canary: &Arm, q: f64, alpha: f64) -> (f64, Option<f64>) {
    let bound = quantile::lower(&canary.latency, q, alpha) / quantile::upper(&stable.latency, q, alpha);
    let estimate = quantile::estimate(&canary.latency, q).zip(quantile::estimate(&stable.latency, q));
    (bound, estimate.map(|(canary, stable)| canary / stable))
}

fn disagreement(canary: &Arm, alpha: f64) -> (f64, Option<f64>) {
    let bound = bernoulli::lower(canary.differed, canary.compared, alpha);
    (bound, rate(canary.differed, canary.compared))
}

fn ks(observed: &Observed, alpha: f64) -> (f64, Option<f64>) {
    let (stable, canary) = (&observed.stable.values, &observed.canary.values);
    let distance = distance::ks(stable, canary);
    let band = |n| distance::band(n, observed.looks, alpha);
    let there = stable.total().min(canary.total()) > 0;
    ((distance - band(stable.total()) - band(canary.total())).max(0.0), there.then_some(distance))
}

fn rate(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, limit, bound, samples, .. } = self;
        let what = match metric {
            Metric::ErrorRate => "more of its requests fail than of the stable arm's",
            Metric::LatencyP50 => "its median latency to the stable arm's",
            Metric::LatencyP99 => "its 99th percentile of latency to the stable arm's",
            Metric::Disagreement => "of what both answered it answered otherwise",
            Metric::Ks => "is the distance of its output values from the stable arm's",
            Metric::Psi => "is the stability index of its output values",
        };
        write!(f, "{metric}: at least {bound:.3} {what} (limit {limit}, estimate ")?;
        match self.estimate {
            Some(estimate) => write!(f, "{estimate:.3}")?,
            None => f.write_str("none")?,
        }
        write!(f, ", {samples} samples)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Histogram, Pause, Step};

    fn plan(metric: Metric, limit: f64) -> Plan {
        Plan {
            steps: vec![Step { set_weight: 50.0, pause: Pause::None }],
            guards: [(metric, limit)].into(),
            min_samples: 1,
            interval: Duration::from_secs(1),
            alpha: 0.01,
        }
    }

    fn arm(requests: u64, errors: u64) -> Arm {
        let mut arm = Arm { errors, ..Arm::default() };
        (errors..requests).for_each(|_| arm.latency.add(100));
        arm
    }

    fn only(plan: &Plan, stable: Arm, canary: Arm) -> Verdict {
        judge(plan, &Observed { stable, canary, looks: 1 })[0]
    }

    #[test]
    fn an_average_beyond_the_limit_is_not_enough() {
        let plan = plan(Metric::ErrorRate, 0.01);
        let few = only(&plan, arm(100, 0), arm(10, 1));
        assert!(few.estimate.unwrap() > few.limit && !few.broken(), "{few}");
        let many = only(&plan, arm(1_000, 0), arm(1_000, 100));
        assert!(many.broken() && many.bound < 0.1 && many.samples == 1_000, "{many}");
    }

    #[test]
    fn what_fails_at_once_is_found_at_once() {
        let verdict = only(&plan(Metric::ErrorRate, 0.01), arm(200, 0), arm(15, 15));
        assert!(verdict.broken(), "{verdict}");
    }

    #[test]
    fn slower_is_a_ratio_of_quantiles() {
        let slow = |bucket| {
            let latency = Histogram::new([vec![0; bucket], vec![1_000]].concat());
            Arm { latency, ..Arm::default() }
        };
        // 32 buckets are an octave.
        let verdict = only(&plan(Metric::LatencyP50, 1.5), slow(300), slow(332));
        assert!(verdict.broken() && verdict.bound > 1.9 && verdict.bound <= 2.0, "{verdict}");
        assert!(!only(&plan(Metric::LatencyP50, 1.5), slow(300), slow(300)).broken());
    }

    #[test]
    fn nothing_seen_breaks_nothing() {
        for metric in Metric::ALL {
            let verdict = only(&plan(metric, 1.0), Arm::default(), Arm::default());
            assert!(!verdict.broken() && verdict.estimate.is_none() && verdict.samples == 0, "{verdict}");
        }
    }
}
