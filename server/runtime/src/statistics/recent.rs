//! How long the last minute's requests took: counts by logarithmic buckets in slots of ten seconds. Pure.
//!
//! A bucket is an eighth of a power of two wide, so a quantile is at most an eighth too large.

use std::time::{Duration, Instant};

/// A slot's time.
const SLOT: Duration = Duration::from_secs(10);
/// Slots of the past that count, besides the one that is being filled.
const SLOTS: u64 = 6;
/// Buckets of one power of two, as a power of two.
const FINE: u32 = 3;
/// Buckets: durations from 2^32 microseconds on, more than an hour, are in the last one.
const BUCKETS: usize = 1 + ((32 - FINE as usize + 1) << FINE);

/// Quantiles of request durations over the last minute; `None` where there was no request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Half of them took no longer.
    pub p50: Option<Duration>,
    /// 99 of 100 took no longer.
    pub p99: Option<Duration>,
}

/// The durations of the last minute.
#[derive(Debug)]
pub(super) struct Durations {
    start: Instant,
    slots: Vec<Slot>,
}

/// The requests of one slot of time.
#[derive(Debug)]
struct Slot {
    /// Which one, counted from the start.
    number: u64,
    counts: Box<[u32; BUCKETS]>,
}

impl Durations {
    /// None yet.
    pub(super) fn new(start: Instant) -> Self {
        Self { start, slots: Vec::new() }
    }

    /// Adds one that ended now.
    pub(super) fn add(&mut self, now: Instant, took: Duration) {
        let number = self.number(now);
        if self.slots.last().is_none_or(|slot| slot.number < number) {
            self.slots.retain(|slot| slot.number + SLOTS >= number);
            self.slots.push(Slot { number, counts: Box::new([0; BUCKETS]) });
        }
        let count = self.slots.last_mut().and_then(|slot| slot.counts.get_mut(bucket(took)));
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
    }

    /// The quantiles as of now.
    pub(super) fn quantiles(&self, now: Instant) -> Recent {
        let number = self.number(now);
        let mut sums = [0u64; BUCKETS];
        for slot in self.slots.iter().filter(|slot| slot.number + SLOTS >= number) {
            sums.iter_mut().zip(slot.counts.iter()).for_each(|(sum, &count)| *sum += u64::from(count));
        }
        let total: u64 = sums.iter().sum();
        let quantile = |percent: u64| {
            let mut left = (total * percent).div_ceil(100);
            let found = sums.iter().position(|&count| {
                left = left.saturating_sub(count);
                left == 0
            });
            found.filter(|_| total > 0).map(upper)
        };
        Recent { p50: quantile(50), p99: quantile(99) }
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / SLOT.as_secs()
    }
}

/// The bucket of a duration: whole microseconds below 8, then eighths of powers of two.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let power = micros.checked_ilog2().unwrap_or(0);
    let index = match power.checked_sub(FINE) {
        None => micros,
        Some(shift) => (u64::from(shift) << FINE) + (micros >> shift),
    };
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The longest duration of a bucket.
fn upper(bucket: usize) -> Duration {
    let (shift, fine) = ((bucket >> FINE).saturating_sub(1), bucket as u64 & ((1 << FINE) - 1));
    let micros = match bucket >> FINE {
        0 => fine,
        _ => (((1 << FINE) + fine + 1) << shift) - 1,
    };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn quantiles_are_of_the_last_minute() {
        let start = Instant::now();
        let mut durations = Durations::new(start);
        assert_eq!(durations.quantiles(start), Recent::default());
        (1..=100).for_each(|ms| durations.add(start, ms * MS));
        let close = |found: Option<Duration>, exact: Duration| {
            let found = found.unwrap();
            assert!(found >= exact && found <= exact * 9 / 8, "{found:?} is not about {exact:?}");
        };
        let Recent { p50, p99 } = durations.quantiles(start);
        close(p50, 50 * MS);
        close(p99, 99 * MS);
        let later = start + Duration::from_secs(65);
        durations.add(later, MS);
        close(durations.quantiles(later).p50, 50 * MS);
        close(durations.quantiles(later + Duration::from_secs(10)).p99, MS);
        assert_eq!(durations.quantiles(later + Duration::from_secs(1000)), Recent::default());
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_an_eighth_too_wide(micros in 0u64..1 << 33) {
            let found = bucket(Duration::from_micros(micros));
            let upper = u64::try_from(upper(found).as_micros()).unwrap();
            prop_assert!(found == BUCKETS - 1 || (micros <= upper && upper <= micros + micros / 8));
        }
    }
}
