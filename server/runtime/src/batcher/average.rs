//! A moving average: the mean of the first values, and from then on one in which the last ones weigh most.

/// One in so many parts comes from the last value, once there were as many.
const MEMORY: u32 = 8;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Average {
    seen: u32,
    value: f64,
}

impl Average {
    /// Learns from a value.
    pub(super) fn observe(&mut self, value: f64) {
        self.seen = self.seen.saturating_add(1);
        self.value += (value - self.value) / f64::from(self.seen.min(MEMORY));
    }

    /// Of how many values it is.
    pub(super) const fn seen(&self) -> u32 {
        self.seen
    }

    /// The average; zero of none.
    pub(super) const fn value(&self) -> f64 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_count_alike_and_the_last_most() {
        let mut average = Average::default();
        [1.0, 2.0, 6.0].into_iter().for_each(|value| average.observe(value));
        assert_eq!((average.seen(), average.value()), (3, 3.0));
        (0..100).for_each(|_| average.observe(5.0));
        assert!((average.value() - 5.0).abs() < 1e-4, "{average:?}");
        average.observe(13.0);
        assert!((average.value() - 6.0).abs() < 1e-4, "{average:?}");
    }
}
