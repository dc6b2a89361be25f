//! How far two arms' output values are apart: the distance of Kolmogorov and Smirnov, and the population stability
//! index.

use libm::{log, sqrt};

use crate::{BINS, Histogram, arm::Arm, bernoulli};

/// Keeps an empty bin's logarithm finite in the index's estimate; its bound needs none.
const EMPTY_BIN: f64 = 1e-4;

/// The largest difference of two empirical distribution functions. Buckets make it smaller, never larger.
pub(crate) fn ks(one: &Histogram, other: &Histogram) -> f64 {
    let buckets = one.len().max(other.len());
    one.cumulated().zip(other.cumulated()).take(buckets).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// How far an empirical distribution function of `n` values may be from the true one, at every look so far.
///
/// The inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (Annals of Probability 18(3), 1990), where
/// look number j spends alpha/(j(j+1)): looks come by the clock, and not by what values were seen.
pub(crate) fn band(n: u64, looks: u64, alpha: f64) -> f64 {
    let looks = looks.max(1) as f64;
    sqrt(log(2.0 * looks * (looks + 1.0) / alpha) / (2.0 * n as f64)).min(1.0)
}

/// The index as it is usually computed: the sum over bins of (a - b) ln(a / b).
pub(crate) fn psi(one: &Arm, other: &Arm) -> f64 {
    let part = |arm: &Arm, i: usize| {
        let total: u64 = arm.bins.iter().sum();
        (arm.bins[i] as f64 / total.max(1) as f64).max(EMPTY_BIN)
    };
    (0..BINS).map(|i| term(part(one, i), part(other, i))).sum()
}

/// What the index is at least: bin by bin the least that both proportions' confidence sequences leave.
pub(crate) fn psi_lower(one: &Arm, other: &Arm, alpha: f64) -> f64 {
    let alpha = alpha / (2 * BINS) as f64;
    let totals = (one.bins.iter().sum::<u64>(), other.bins.iter().sum::<u64>());
    let least = |(&count, &other): (&u64, &u64)| {
        let (more, less) =
            match u128::from(count) * u128::from(totals.1) > u128::from(other) * u128::from(totals.0) {
                true => ((count, totals.0), (other, totals.1)),
                false => ((other, totals.1), (count, totals.0)),
            };
        let (low, high) = (bernoulli::lower(more.0, more.1, alpha), bernoulli::upper(less.0, less.1, alpha));
        if low > high { term(low, high) } else { 0.0 }
    };
    one.bins.iter().zip(&other.bins).map(least).sum()
}

/// Grows as `a` and `b` move apart.
fn term(a: f64, b: f64) -> f64 {
    (a - b) * log(a / b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(counts: [u64; BINS]) -> Arm {
        Arm { bins: counts, ..Arm::default() }
    }

    #[test]
    fn distances_are_the_definitions() {
        let (one, other) = (Histogram::new(vec![2, 2, 0]), Histogram::new(vec![0, 2, 2, 0]));
        assert_eq!(ks(&one, &other), 0.5);
        assert_eq!(ks(&one, &one), 0.0);
        let shifted = bins([300, 100, 100, 100, 100, 100, 100, 100, 0, 0]);
        assert!(psi(&bins([100; BINS]), &shifted) > 0.25);
        assert_eq!(psi(&shifted, &shifted), 0.0);
    }

    #[test]
    fn the_indexs_bound_is_below_it_and_comes_nearer() {
        let pair = |n| (bins([n; BINS]), bins([3 * n, n, n, n, n, n, n, n / 2, n / 4, n / 4]));
        let bound = |n| psi_lower(&pair(n).0, &pair(n).1, 0.01);
        assert_eq!(bound(2), 0.0);
        assert!(bound(50) < bound(500));
        assert!(bound(500) < psi(&pair(500).0, &pair(500).1));
        assert!(bound(500) > 0.1, "{}", bound(500));
    }

    #[test]
    fn the_band_narrows_with_values_and_widens_with_looks() {
        assert_eq!(band(0, 1, 0.01), 1.0);
        assert!(band(1_000, 1, 0.01) < band(100, 1, 0.01));
        assert!(band(1_000, 1, 0.01) < band(1_000, 60, 0.01));
    }
}
