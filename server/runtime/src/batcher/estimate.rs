//! What recent executions tell of the next: how long one takes at the very least, and how fast what waits is worked
//! off.
//!
//! Invariant: the least time errs low. It drops to any faster execution at once, rises slowly, and falls with
//! every request refused on its word, so a wrong one never locks a model's callers out.

use std::time::Duration;

use super::{appetite::Appetite, pace::Pace};

/// A slowly rising minimum, the pace, and what sizes pay.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    least: Option<Duration>,
    pub(crate) pace: Pace,
    pub(crate) appetite: Appetite,
}

impl Estimate {
    /// The least time until an answer; zero while nothing is known.
    pub(crate) fn least(&self) -> Duration {
        self.least.unwrap_or_default()
    }

    /// Learns from an execution: how long it took, its rows, and how many ran at once.
    pub(crate) fn observe(&mut self, took: Duration, rows: usize, running: usize) {
        self.pace.observe(took, rows, running);
        self.appetite.observe(took, rows);
        self.least = Some(match self.least {
            Some(least) if least < took => least + (took - least) / 64,
            _ => took,
        });
    }

    /// A request was refused for it.
    pub(crate) fn doubt(&mut self) {
        self.least = self.least.map(|least| least - least / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_at_once_and_rises_slowly() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.least(), Duration::ZERO);
        estimate.observe(Duration::from_millis(64), 1, 1);
        estimate.observe(Duration::from_millis(128), 1, 1);
        assert_eq!(estimate.least(), Duration::from_millis(65));
        estimate.observe(Duration::from_millis(2), 1, 1);
        assert_eq!(estimate.least(), Duration::from_millis(2));
    }

    #[test]
    fn refusals_wear_it_down() {
        let mut estimate = Estimate::default();
        estimate.observe(Duration::from_secs(10), 1, 1);
        (0..60).for_each(|_| estimate.doubt());
        assert!(estimate.least() < Duration::from_millis(10));
    }
}
