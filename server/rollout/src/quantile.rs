//! Confidence sequences for a quantile, read off a histogram.
//!
//! How many items lie at or below the q-quantile is a count of chance q each, so the bounds of such counts are the
//! ranks between which the quantile lies (Howard and Ramdas, "Sequential estimation of quantiles with applications to
//! A/B testing and best-arm identification", Bernoulli 28(3), 2022). Buckets widen them by 2.2 % at most.

use crate::{Histogram, bernoulli, histogram::latency_ends};

/// What a latency's quantile is at least, in microseconds.
pub(crate) fn lower(latency: &Histogram, q: f64, alpha: f64) -> f64 {
    let rank = bernoulli::least(q, latency.total(), alpha);
    latency.bucket_of_rank(rank).map_or(0.0, |bucket| latency_ends(bucket).0)
}

/// What it is at most; infinite where too little was seen.
pub(crate) fn upper(latency: &Histogram, q: f64, alpha: f64) -> f64 {
    let rank = bernoulli::most(q, latency.total(), alpha) + 1;
    latency.bucket_of_rank(rank).map_or(f64::INFINITY, |bucket| latency_ends(bucket).1)
}

/// What it is about, in microseconds; `None` where nothing was seen.
pub(crate) fn estimate(latency: &Histogram, q: f64) -> Option<f64> {
    let rank = (q * latency.total() as f64).ceil() as u64;
    let (low, high) = latency_ends(latency.bucket_of_rank(rank)?);
    Some(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latency_bucket;

    fn uniform(count: u64) -> Histogram {
        let mut latency = Histogram::default();
        (1..=count).for_each(|i| latency.add(latency_bucket(Duration::from_micros(1_000 * i / count))));
        latency
    }

    #[test]
    fn the_quantile_lies_between_its_bounds() {
        for (q, truth) in [(0.5, 500.0), (0.99, 990.0)] {
            let latency = uniform(10_000);
            let (low, high) = (lower(&latency, q, 0.01), upper(&latency, q, 0.01));
            assert!(low < truth && truth < high && high / low < 1.15, "{q}: {low}..{high}");
            assert!((estimate(&latency, q).unwrap() / truth - 1.0).abs() < 0.02);
        }
    }

    #[test]
    fn little_says_little() {
        let latency = uniform(20);
        assert_eq!(upper(&latency, 0.99, 0.01), f64::INFINITY);
        assert_eq!(lower(&Histogram::default(), 0.5, 0.01), 0.0);
        assert_eq!(estimate(&Histogram::default(), 0.5), None);
    }
}
