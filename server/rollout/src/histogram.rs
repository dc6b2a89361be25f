//! Counts in buckets of a fixed relative width: bounded memory, and two of them add up.
//!
//! 32 buckets an octave make each 2.2 % wide, as in DDSketch (Masson, Rim and Lee, VLDB 2019) with a relative error of
//! 1.1 %. Buckets ascend with what they hold, so that order statistics can be read off them.

use std::time::Duration;

/// Buckets an octave.
const PER_OCTAVE: f64 = 32.0;
/// Octaves of latency: 1 µs to 71 minutes.
const LATENCY_OCTAVES: usize = 32;
/// The smallest and largest power of two that values are told apart by.
const VALUE_POWERS: (i32, i32) = (-24, 24);
/// Buckets of one sign's values.
const SIGNED: usize = (VALUE_POWERS.1 - VALUE_POWERS.0) as usize * PER_OCTAVE as usize;

/// Buckets of latency.
pub const LATENCY_BUCKETS: usize = LATENCY_OCTAVES * PER_OCTAVE as usize;
/// Buckets of values: negative, nearly zero, positive, no number.
pub const VALUE_BUCKETS: usize = 2 * SIGNED + 2;

/// The bucket of a latency.
pub fn latency_bucket(latency: Duration) -> usize {
    let micros = latency.as_nanos() as f64 / 1e3;
    // Negative floats become 0.
    ((micros.log2() * PER_OCTAVE) as usize).min(LATENCY_BUCKETS - 1)
}

/// A bucket's lower and upper end, in microseconds.
pub(crate) fn latency_ends(bucket: usize) -> (f64, f64) {
    let end = |bucket: usize| (bucket as f64 / PER_OCTAVE).exp2();
    (end(bucket), end(bucket + 1))
}

/// The bucket of a number. Below 6e-8 numbers are zero, above 1.7e7 all are one.
pub fn value_bucket(value: f64) -> usize {
    if value.is_nan() {
        return VALUE_BUCKETS - 1;
    }
    let place = (value.abs().log2() - f64::from(VALUE_POWERS.0)) * PER_OCTAVE;
    if place < 0.0 {
        return SIGNED;
    }
    let place = (place as usize).min(SIGNED - 1);
    if value < 0.0 { SIGNED - 1 - place } else { SIGNED + 1 + place }
}

/// The bucket of something that is no number, by its hash: the same for the same, and any order will do.
pub fn category_bucket(hash: u64) -> usize {
    (hash % VALUE_BUCKETS as u64) as usize
}

/// Counts by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// From counts, in the order of their buckets.
    pub fn new(counts: Vec<u64>) -> Self {
        Self { total: counts.iter().sum(), counts }
    }

    /// How much was counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts one more.
    pub fn add(&mut self, bucket: usize) {
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// Adds another one's counts.
    pub fn merge(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
    }

    /// The bucket of the item with this rank, 1 the smallest; `None` where there is none.
    pub(crate) fn bucket_of_rank(&self, rank: u64) -> Option<usize> {
        let mut left = rank.checked_sub(1).filter(|_| rank <= self.total)?;
        self.counts.iter().position(|&count| match left < count {
            true => true,
            false => {
                left -= count;
                false
            }
        })
    }

    /// How much lies at or below each bucket, as parts of all; without end, for all buckets after the last are empty.
    pub(crate) fn cumulated(&self) -> impl Iterator<Item = f64> + '_ {
        let (mut below, part) = (0, 1.0 / self.total.max(1) as f64);
        self.counts.iter().chain(std::iter::repeat(&0)).map(move |count| {
            below += count;
            below as f64 * part
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn latencies_lie_between_their_buckets_ends() {
        for nanos in [1_000, 1_001, 999_999, 123_456_789, 60_000_000_000] {
            let latency = Duration::from_nanos(nanos);
            let (low, high) = latency_ends(latency_bucket(latency));
            let micros = nanos as f64 / 1e3;
            assert!(
                low <= micros * (1.0 + 1e-12) && micros < high && high / low < 1.022,
                "{nanos}: {low}..{high}"
            );
        }
        assert_eq!(latency_bucket(Duration::ZERO), 0);
        assert_eq!(latency_bucket(Duration::MAX), LATENCY_BUCKETS - 1);
    }

    #[test]
    fn ranks_are_read_off() {
        let histogram = Histogram::new(vec![0, 2, 0, 1]);
        let ranks: Vec<_> = (0..5).map(|rank| histogram.bucket_of_rank(rank)).collect();
        assert_eq!(ranks, [None, Some(1), Some(1), Some(3), None]);
    }

    #[test]
    fn two_histograms_add_up() {
        let (mut one, mut all) = (Histogram::default(), Histogram::default());
        let mut other = Histogram::default();
        [3, 5].into_iter().for_each(|bucket| one.add(bucket));
        [5, 9].into_iter().for_each(|bucket| other.add(bucket));
        [3, 5, 5, 9].into_iter().for_each(|bucket| all.add(bucket));
        one.merge(&other);
        assert_eq!(one, all);
    }

    proptest! {
        #[test]
        fn buckets_ascend_with_their_values(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(value_bucket(low) <= value_bucket(high));
            prop_assert!(value_bucket(high) < VALUE_BUCKETS - 1);
        }
    }
}
