//! How long an execution takes at the very least, as far as recent ones tell.
//!
//! Invariant: the estimate errs low. It drops to any faster execution at once, rises slowly, and falls with
//! every request refused on its word, so a wrong one never locks a model's callers out.

use std::time::Duration;

/// A slowly rising minimum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate(Option<Duration>);

impl Estimate {
    /// The least time until an answer; zero while nothing is known.
    pub(crate) fn least(self) -> Duration {
        self.0.unwrap_or_default()
    }

    /// Learns from an execution.
    pub(crate) fn observe(&mut self, took: Duration) {
        self.0 = Some(match self.0 {
            Some(least) if least < took => least + (took - least) / 64,
            _ => took,
        });
    }

    /// A request was refused for it.
    pub(crate) fn doubt(&mut self) {
        self.0 = self.0.map(|least| least - least / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_at_once_and_rises_slowly() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.least(), Duration::ZERO);
        estimate.observe(Duration::from_millis(64));
        estimate.observe(Duration::from_millis(128));
        assert_eq!(estimate.least(), Duration::from_millis(65));
        estimate.observe(Duration::from_millis(2));
        assert_eq!(estimate.least(), Duration::from_millis(2));
    }

    #[test]
    fn refusals_wear_it_down() {
        let mut estimate = Estimate::default();
        estimate.observe(Duration::from_secs(10));
        (0..60).for_each(|_| estimate.doubt());
        assert!(estimate.least() < Duration::from_millis(10));
    }
}
