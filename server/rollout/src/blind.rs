//! Guards that cannot break: with as few samples as a plan asks for, the worst canary would pass them. A plan with one
//! is refused, for it promises what it does not keep.

use std::iter::successors;

use crate::{
    Arm, BINS, Histogram, LATENCY_BUCKETS, Metric, Observed, Pause, Plan, Step, VALUE_BUCKETS, guard::verdict,
};

/// Samples beyond which nobody is told to go.
const MOST: u64 = 1 << 24;

/// What is wrong with each guard that no canary can break, in any step.
pub(crate) fn mistakes(plan: &Plan) -> Vec<String> {
    let guards = plan.guards.iter().map(|(&metric, &limit)| (metric, limit));
    let blind = guards.filter(|&(metric, limit)| !sees(plan, metric, limit, plan.min_samples));
    blind.map(|(metric, limit)| told(plan, metric, limit)).collect()
}

fn told(plan: &Plan, metric: Metric, limit: f64) -> String {
    let few = plan.min_samples;
    let more = successors(few.checked_mul(2), |samples| samples.checked_mul(2));
    let enough =
        more.take_while(|&samples| samples <= MOST).find(|&samples| sees(plan, metric, limit, samples));
    let advice = enough.map_or_else(
        || "lower the limit or raise alpha".to_owned(),
        |enough| format!("expected {enough} or so"),
    );
    format!("min_samples: {few} are too few for guards.{metric} to ever break; {advice}")
}

/// Whether the worst canary breaks the guard in a step that asks for so many samples.
fn sees(plan: &Plan, metric: Metric, limit: f64, min_samples: u64) -> bool {
    plan.steps.iter().any(|step| verdict(plan, metric, limit, &worst(step, min_samples)).broken())
}

/// A step with as few requests as there may be: all of the canary's fail, and all else is as far off as it can be.
fn worst(step: &Step, min_samples: u64) -> Observed {
    let asked = match step.pause {
        Pause::Until { requests, .. } => requests.unwrap_or(0).max(min_samples),
        Pause::None | Pause::Promoted => min_samples,
    };
    let beside = asked as f64 * (100.0 - step.set_weight) / step.set_weight;
    let stable = arm(beside as u64, 0);
    let canary = Arm { errors: asked, ..arm(asked, 1) };
    Observed { stable, canary, looks: 1 }
}

/// Everything in the first bucket or in the last.
fn arm(samples: u64, last: usize) -> Arm {
    let at = |bucket: usize| {
        let mut counts = vec![0; bucket + 1];
        counts[bucket] = samples;
        Histogram::new(counts)
    };
    let mut bins = [0; BINS];
    bins[last * (BINS - 1)] = samples;
    let (latency, values) = (at(last * (LATENCY_BUCKETS - 1)), at(last * (VALUE_BUCKETS - 1)));
    Arm { latency, values, bins, compared: samples, differed: samples, ..Arm::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn plan(metric: Metric, limit: f64, min_samples: u64) -> Plan {
        Plan {
            steps: vec![Step { set_weight: 50.0, pause: Pause::None }],
            guards: [(metric, limit)].into(),
            min_samples,
            interval: Duration::from_secs(1),
            alpha: 0.05,
        }
    }

    #[test]
    fn a_guard_that_nothing_breaks_is_a_mistake_and_its_advice_is_none() {
        for (metric, limit) in [
            (Metric::ErrorRate, 0.01),
            (Metric::LatencyP50, 1.2),
            (Metric::LatencyP99, 1.5),
            (Metric::Disagreement, 0.1),
            (Metric::Ks, 0.1),
            (Metric::Psi, 0.2),
        ] {
            let [mistake] = &mistakes(&plan(metric, limit, 1))[..] else { panic!("{metric} breaks") };
            let advice: u64 = mistake.split_whitespace().rev().nth(2).unwrap().parse().unwrap();
            assert_eq!(mistakes(&plan(metric, limit, advice)), [""; 0], "{metric}: {mistake}");
            assert_eq!(mistakes(&plan(metric, limit, advice / 2)).len(), 1, "{metric}: {mistake}");
        }
    }

    #[test]
    fn a_limit_that_is_out_of_reach_is_told_as_such() {
        let [told] = &mistakes(&plan(Metric::Ks, 0.999_999, 10))[..] else { panic!("it breaks") };
        assert!(told.ends_with("guards.ks to ever break; lower the limit or raise alpha"), "{told}");
    }

    #[test]
    fn a_step_that_asks_for_many_requests_is_enough() {
        let asked = |requests| Plan {
            steps: vec![Step { set_weight: 50.0, pause: Pause::Until { duration: None, requests } }],
            ..plan(Metric::Ks, 0.1, 1)
        };
        assert_eq!(mistakes(&asked(None)).len(), 1);
        assert_eq!(mistakes(&asked(Some(1_000))), [""; 0]);
    }
}
