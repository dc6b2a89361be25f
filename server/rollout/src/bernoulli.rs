//! Confidence sequences for a proportion: intervals that hold at all sample sizes at once.
//!
//! For every p the mixture of likelihood ratios over q ~ Beta(1/2, 1/2) against p is a martingale that begins at 1
//! where p is the truth, so by Ville's inequality it ever reaches 1/alpha with a chance of at most alpha. What p's it
//! has not ruled out are an interval (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
//! nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49(2), 2021, the beta-binomial mixture).

use libm::{lgamma, log, log1p};

/// Halvings of an interval of 0..1; more change nothing that matters.
const HALVINGS: usize = 32;
/// log B(1/2, 1/2).
const LOG_PI: f64 = 1.144_729_885_849_400_2;

/// How much evidence `k` of `n` are against `p`: the logarithm of the martingale.
fn evidence(p: f64, k: u64, n: u64) -> f64 {
    mixture(k, n) - likelihood(p, k, n)
}

/// The logarithm of what all q's together give `k` of `n`.
fn mixture(k: u64, n: u64) -> f64 {
    lgamma(k as f64 + 0.5) + lgamma((n - k) as f64 + 0.5) - lgamma(n as f64 + 1.0) - LOG_PI
}

/// The logarithm of what `p` gives them.
fn likelihood(p: f64, k: u64, n: u64) -> f64 {
    let misses = (n - k) as f64;
    times_log(k as f64, p) + if misses == 0.0 { 0.0 } else { misses * log1p(-p) }
}

/// 0 log 0 is 0.
fn times_log(count: f64, p: f64) -> f64 {
    if count == 0.0 { 0.0 } else { count * log(p) }
}

/// What the proportion is at least, of which `k` of `n` were seen; wrong at any `n` with a chance of at most `alpha`,
/// together with [`upper`].
pub(crate) fn lower(k: u64, n: u64, alpha: f64) -> f64 {
    let (mut out, mut within) = (0.0, k as f64 / n.max(1) as f64);
    let too_little = mixture(k, n) + log(alpha);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(out, within);
        match likelihood(middle, k, n) <= too_little {
            true => out = middle,
            false => within = middle,
        }
    }
    out
}

/// What the proportion is at most.
pub(crate) fn upper(k: u64, n: u64, alpha: f64) -> f64 {
    1.0 - lower(n - k, n, alpha)
}

/// The smallest count of `n` that speaks not against `p`.
pub(crate) fn least(p: f64, n: u64, alpha: f64) -> u64 {
    // Evidence falls as counts rise to p's.
    let (mut low, mut high) = (0, (p * n as f64) as u64);
    while low < high {
        let middle = low.midpoint(high);
        match evidence(p, middle, n) >= -log(alpha) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

/// The largest count of `n` that speaks not against `p`.
pub(crate) fn most(p: f64, n: u64, alpha: f64) -> u64 {
    n - least(1.0 - p, n, alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_what_was_seen_and_tighten() {
        for (k, n) in [(0, 10), (10, 10), (1, 100), (50, 100), (500, 1_000)] {
            let (low, high, rate) = (lower(k, n, 0.01), upper(k, n, 0.01), k as f64 / n as f64);
            assert!((0.0..=rate).contains(&low) && (rate..=1.0).contains(&high), "{k}/{n}: {low}..{high}");
        }
        assert!(lower(500, 1_000, 0.01) > lower(50, 100, 0.01));
        assert_eq!(lower(0, 0, 0.01), 0.0);
        assert_eq!(upper(0, 0, 0.01), 1.0);
    }

    #[test]
    fn counts_are_within_where_the_proportion_is_within_their_bounds() {
        let (p, n, alpha) = (0.9, 500, 0.01);
        let (low, high) = (least(p, n, alpha), most(p, n, alpha));
        assert!(upper(low, n, alpha) >= p && upper(low - 1, n, alpha) < p);
        assert!(lower(high, n, alpha) <= p && lower(high + 1, n, alpha) > p);
    }

    /// Ville's inequality, seen: of 2,000 walks of 1,000 looks few ever leave the bounds.
    #[test]
    fn the_truth_is_left_at_any_look_as_seldom_as_stated() {
        let mut random = fastrand::Rng::with_seed(1);
        let (p, alpha, walks) = (0.1, 0.05, 2_000);
        let leaves = |random: &mut fastrand::Rng| {
            let mut k = 0;
            (1..=1_000).any(|n| {
                k += u64::from(random.f64() < p);
                evidence(p, k, n) >= -log(alpha)
            })
        };
        let left = (0..walks).filter(|_| leaves(&mut random)).count();
        assert!((10..=100).contains(&left), "{left} of {walks}");
    }
}
