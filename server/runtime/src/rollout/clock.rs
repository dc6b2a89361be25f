//! Time since the Unix epoch that never goes back: states outlive the process, and steps must not end because
//! somebody sets the clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time of day at one moment, and what has passed since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Duration,
    started: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { epoch, started: Instant::now() }
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Duration {
        self.epoch + self.started.elapsed()
    }

    /// The time at a moment, past or to come.
    pub(crate) fn at(&self, moment: Instant) -> Duration {
        let later = self.epoch + moment.saturating_duration_since(self.started);
        later.saturating_sub(self.started.saturating_duration_since(moment))
    }
}
