//! How fast a version works off what waits, as far as recent executions tell, and so how long one more would wait.
//!
//! By Little's law a row takes the time of a batch, shared by the batch's rows and by the batches that run at once.
//! Invariant: nothing is foreseen while nothing is known, and who has nobody before it waits for nobody, so that a
//! pace which is wrong lets in those from whom a better one is learnt.

use std::time::Duration;

use super::average::Average;

/// Executions vary, and who is let in and then misses its time costs as much as one that is answered.
const MARGIN: f64 = 1.25;

/// Seconds of executions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    batch: Average,
    row: Average,
}

/// What a request has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreseen {
    /// Until it is handed to a session.
    pub(crate) start: Duration,
    /// Until it is answered.
    pub(crate) answer: Duration,
}

impl Pace {
    /// Learns from a batch: how long it took, its rows, and how many ran at once.
    pub(crate) fn observe(&mut self, took: Duration, rows: usize, running: usize) {
        let batch = took.as_secs_f64();
        self.batch.observe(batch);
        self.row.observe(batch / rows.max(1) as f64 / running.max(1) as f64);
    }

    /// What is before a request that comes in behind so many rows: those, what runs already, and its own batch.
    pub(crate) fn foresee(self, rows_ahead: usize) -> Option<Foreseen> {
        if self.batch.seen() == 0 || rows_ahead == 0 {
            return None;
        }
        let batch = self.batch.value();
        let start = batch + self.row.value() * rows_ahead as f64;
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds * MARGIN).ok();
        Some(Foreseen { start: seconds(start)?, answer: seconds(start + batch)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const US: Duration = Duration::from_micros(1);

    #[test]
    fn batches_that_run_at_once_share_the_rows() {
        let mut pace = Pace::default();
        pace.observe(8 * MS, 4, 2);
        assert_eq!(pace.foresee(10), Some(Foreseen { start: 22500 * US, answer: 32500 * US }));
    }

    #[test]
    fn nothing_is_foreseen_of_nothing() {
        let mut pace = Pace::default();
        assert_eq!(pace.foresee(1000), None);
        pace.observe(Duration::from_secs(3600), 1, 1);
        assert_eq!(pace.foresee(0), None);
    }

    #[test]
    fn it_follows_what_it_sees() {
        let mut pace = Pace::default();
        pace.observe(Duration::from_secs(1), 1, 1);
        (0..100).for_each(|_| pace.observe(MS, 1, 1));
        let foreseen = pace.foresee(1).unwrap().answer;
        assert!(foreseen < 5 * MS, "{foreseen:?}");
    }
}
