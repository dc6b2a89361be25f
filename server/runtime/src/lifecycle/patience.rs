//! Loads that take long are said to, in the log and in the index: with threads that get what nobody else wants of the
//! processor, a busy machine and a stuck load look alike.

use std::time::Duration;

use tracing::warn;

use super::{entry::Entry, manager::Manager, pool::LoadPriority};

/// A load that runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Running {
    /// To be complained of at this time of the rollouts' clock.
    Until(Duration),
    /// Complained of, in these words.
    Slowly(&'static str),
}

impl Running {
    /// What its versions say of themselves.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Until(_) => "",
            Self::Slowly(reason) => reason,
        }
    }

    const fn overdue(self) -> Option<Duration> {
        match self {
            Self::Until(at) => Some(at),
            Self::Slowly(_) => None,
        }
    }
}

impl Manager {
    /// When the next load is to be complained of.
    pub(super) fn overdue(&self) -> Option<Duration> {
        self.state.entries.values().filter_map(|entry| entry.running?.overdue()).min()
    }

    /// Complains of loads that take long, once of each. True where there was one.
    pub(super) fn complain(&mut self) -> bool {
        let now = self.rollouts.clock.now();
        let late = |entry: &Entry| entry.running.and_then(Running::overdue).is_some_and(|at| at <= now);
        let reason = match self.load_priority {
            LoadPriority::Idle => {
                "loading takes long: it gets what nobody else wants of the processor (--load-priority idle)"
            }
            LoadPriority::Low => {
                "loading takes long: it gets a tenth of a busy processor (--load-priority low)"
            }
        };
        let mut complained = false;
        for (name, entry) in self.state.entries.iter_mut().filter(|(_, entry)| late(entry)) {
            warn!(model = %name, "{reason}");
            entry.running = Some(Running::Slowly(reason));
            entry.loads_slowly(reason);
            complained = true;
        }
        complained
    }
}
