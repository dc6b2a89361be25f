//! What was seen of one version's answers: mergeable, of bounded memory.

use std::time::Duration;

use crate::{Histogram, quantile};

/// Bins of the population stability index.
pub const BINS: usize = 10;

/// One arm of the comparison, since its step began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arm {
    /// Requests that failed.
    pub errors: u64,
    /// How long callers of the others waited, by [`latency_bucket`](crate::latency_bucket).
    pub latency: Histogram,
    /// Of these, callers that went before they had an answer. What they waited counts, or a canary that hangs would
    /// look fast; whether their request would have failed nobody knows.
    pub abandoned: u64,
    /// An element of each answer, by [`value_bucket`](crate::value_bucket).
    pub values: Histogram,
    /// The same by bin, since the bins were cut.
    pub bins: [u64; BINS],
    /// Requests that the other arm answered too.
    pub compared: u64,
    /// Of these, those that it answered differently.
    pub differed: u64,
}

/// Both arms, as of one moment of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What served before.
    pub stable: Arm,
    /// What is tried.
    pub canary: Arm,
    /// How often the step was looked at, this time included.
    pub looks: u64,
}

impl Arm {
    /// Requests that have an outcome.
    pub fn requests(&self) -> u64 {
        self.errors + self.latency.total().saturating_sub(self.abandoned)
    }

    /// About what latency so many of the requests that did not fail stayed below, 0 to 1; `None` where there were
    /// none.
    pub fn latency_quantile(&self, q: f64) -> Option<Duration> {
        quantile::estimate(&self.latency, q).map(|micros| Duration::from_secs_f64(micros / 1e6))
    }

    /// Adds what was seen elsewhere of the same arm in the same step.
    pub fn merge(&mut self, other: &Self) {
        self.errors += other.errors;
        self.latency.merge(&other.latency);
        self.abandoned += other.abandoned;
        self.values.merge(&other.values);
        self.bins.iter_mut().zip(other.bins).for_each(|(mine, theirs)| *mine += theirs);
        self.compared += other.compared;
        self.differed += other.differed;
    }
}

/// Where bins begin and end. They are cut once, and only what comes later is counted in them: bins cut at the very
/// values that they count would make the stable arm look more even than it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts([usize; BINS - 1]);

impl Cuts {
    /// At the deciles of what was seen. A value that many answers have may leave bins empty, which does no harm.
    pub fn at_deciles(values: &Histogram) -> Self {
        let cut = |i: usize| {
            let rank = (values.total() * (i as u64 + 1)).div_ceil(BINS as u64);
            values.bucket_of_rank(rank).map_or(0, |bucket| bucket + 1)
        };
        Self(std::array::from_fn(cut))
    }

    /// The bin of a bucket.
    pub fn bin(&self, bucket: usize) -> usize {
        self.0.partition_point(|&cut| cut <= bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_even_where_values_are() {
        let cuts = Cuts::at_deciles(&Histogram::new(vec![1; 100]));
        let mut bins = [0; BINS];
        (0..100).for_each(|bucket| bins[cuts.bin(bucket)] += 1);
        assert_eq!(bins, [10; BINS]);
    }

    #[test]
    fn one_value_alone_has_a_bin_of_its_own() {
        let cuts = Cuts::at_deciles(&Histogram::new(vec![0, 0, 50]));
        assert_ne!(cuts.bin(1), cuts.bin(3));
        assert_eq!(cuts.bin(1), cuts.bin(2));
    }
}
