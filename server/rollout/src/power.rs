//! What a plan finds: the smallest effects that break a guard with a stated chance.
//!
//! For each guard the worst that chance may hide is worked out with bounds for a fixed sample (Chernoff's, and that of
//! Dvoretzky, Kiefer and Wolfowitz), each missed with a chance of at most beta / 2; an effect is found where the guard
//! breaks even on that. So the stated chances are honest, and a little pessimistic.

use libm::{log, sqrt};

use crate::{Plan, bernoulli, distance};

/// Samples of one step, and how sure a finding must be.
#[derive(Clone, Copy, Debug)]
pub struct Sensitivity {
    /// The stable arm's samples.
    pub stable: u64,
    /// The canary's.
    pub canary: u64,
    /// Looks until then.
    pub looks: u64,
    /// The chance, at most, to miss the effect.
    pub beta: f64,
}

impl Sensitivity {
    /// The smallest error rate of the canary that is found where the stable arm's is `base` and the limit is `limit`;
    /// 1 where none is.
    pub fn error_rate(&self, plan: &Plan, base: f64, limit: f64) -> f64 {
        let alpha = plan.guard_alpha() / 2.0;
        let most =
            bernoulli::upper(ceil(self.stable, high(base, self.stable, self.beta)), self.stable, alpha);
        self.proportion(most + limit, alpha)
    }

    /// The smallest part of different answers that is found.
    pub fn disagreement(&self, plan: &Plan, limit: f64) -> f64 {
        self.proportion(limit, plan.guard_alpha())
    }

    fn proportion(&self, limit: f64, alpha: f64) -> f64 {
        let found = |p: f64| {
            let least = (low(p, self.canary, self.beta) * self.canary as f64) as u64;
            bernoulli::lower(least, self.canary, alpha) > limit
        };
        smallest(found)
    }

    /// What a latency guard compares when chance is at its worst: the canary's quantile at the first of these against
    /// the stable arm's at the second. Where the ratio of both is beyond the limit and a bucket's width, it is found.
    pub fn quantiles(&self, plan: &Plan, q: f64) -> (f64, f64) {
        let alpha = plan.guard_alpha() / 2.0;
        let least = bernoulli::least(q, self.canary, alpha) as f64 / self.canary as f64;
        let most = (bernoulli::most(q, self.stable, alpha) + 1) as f64 / self.stable as f64;
        (low(least, self.canary, self.beta), high(most.min(1.0), self.stable, self.beta))
    }

    /// The smallest distance of Kolmogorov and Smirnov that is found.
    pub fn ks(&self, plan: &Plan, limit: f64) -> f64 {
        let alpha = plan.guard_alpha() / 2.0;
        let fixed = |n: u64| sqrt(log(4.0 / self.beta) / (2.0 * n as f64));
        let of = |n| distance::band(n, self.looks, alpha) + fixed(n);
        (limit + of(self.stable) + of(self.canary)).min(1.0)
    }
}

fn ceil(n: u64, part: f64) -> u64 {
    ((part * n as f64).ceil() as u64).min(n)
}

/// The part of `n` that is seen at least of a proportion `p`, but for a chance of `beta / 2` (Chernoff).
fn low(p: f64, n: u64, beta: f64) -> f64 {
    let enough = log(2.0 / beta) / n as f64;
    p - smallest(|below| divergence(p - below * p, p) >= enough) * p
}

/// The part that is seen at most.
fn high(p: f64, n: u64, beta: f64) -> f64 {
    1.0 - low(1.0 - p, n, beta)
}

/// Kullback and Leibler's, of two chances.
fn divergence(q: f64, p: f64) -> f64 {
    let term = |q: f64, p: f64| if q <= 0.0 { 0.0 } else { q * log(q / p) };
    term(q, p) + term(1.0 - q, 1.0 - p)
}

/// The smallest of 0..1 that has something which all larger ones have; 1 where none has.
fn smallest(has: impl Fn(f64) -> bool) -> f64 {
    let (mut without, mut with) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(without, with);
        match has(middle) {
            true => with = middle,
            false => without = middle,
        }
    }
    with
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Metric, Pause, Step};

    fn plan() -> Plan {
        Plan {
            steps: vec![Step { set_weight: 50.0, pause: Pause::None }],
            guards: [(Metric::ErrorRate, 0.01)].into(),
            min_samples: 1,
            interval: Duration::from_secs(1),
            alpha: 0.05,
        }
    }

    fn with(samples: u64) -> Sensitivity {
        Sensitivity { stable: samples, canary: samples, looks: 10, beta: 0.05 }
    }

    #[test]
    fn more_samples_find_smaller_effects_and_none_within_the_limit() {
        let (few, many) = (with(500), with(50_000));
        for effect in [
            |s: Sensitivity| s.error_rate(&plan(), 0.001, 0.01) - 0.01,
            |s: Sensitivity| s.disagreement(&plan(), 0.02) - 0.02,
            |s: Sensitivity| s.ks(&plan(), 0.1) - 0.1,
        ] {
            assert!(
                0.0 < effect(many) && effect(many) < effect(few) / 3.0,
                "{} {}",
                effect(few),
                effect(many)
            );
        }
        let (low, high) = many.quantiles(&plan(), 0.99);
        assert!(0.985 < low && low < 0.99 && 0.99 < high && high < 0.995, "{low} {high}");
    }

    #[test]
    fn chernoffs_bounds_hold_what_they_state() {
        assert!((divergence(low(0.3, 1_000, 0.05), 0.3) - log(40.0) / 1_000.0).abs() < 1e-6);
        assert!(low(0.3, 1_000, 0.05) < 0.3 && high(0.3, 1_000, 0.05) > 0.3);
        assert!(high(0.0, 1_000, 0.05) < 1e-9);
    }
}
