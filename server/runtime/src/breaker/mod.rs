//! A circuit breaker for each version: it hears what came of every run, and takes a version that keeps failing out of
//! the traffic.
//!
//! [`policy`] decides; here are the lock around it, what counts as a version's own failure, and who is told. A version
//! without any session is out too, for as long as it has none. Requests that pass read one relaxed flag; a run takes one
//! lock that nobody else holds for long.

mod metrics;
mod policy;
mod status;
#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use girandole_core::{Error, ErrorCode};
use tracing::warn;

pub(crate) use self::metrics::describe;
pub use self::status::{BreakerState, BreakerStatus};
use self::{
    metrics::TrippedGauge,
    policy::{Circuit, Failures, Outcome, Turn},
};
use crate::{
    settings::CircuitBreaker,
    sync::{Mutex, lock},
};

/// Called when a breaker opens or closes, on the thread of the instance whose run it was: it must not block.
pub type OnTurned = Box<dyn Fn() + Send + Sync>;

/// See the module.
pub(crate) struct Breaker {
    model: Arc<str>,
    version: u64,
    /// Whether the version is out of the traffic.
    out: AtomicBool,
    state: Mutex<State>,
    setting: CircuitBreaker,
    gauge: TrippedGauge,
    on_turned: Option<OnTurned>,
}

#[derive(Debug, Default)]
struct State {
    circuit: Circuit,
    /// Since when no instance has a session.
    without_session: Option<Instant>,
    trip: Option<Trip>,
}

/// Why a version was taken out of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trip {
    /// When; failed trials change nothing of it.
    since: Instant,
    failures: Failures,
    /// What the last run that failed said.
    last: String,
}

/// A request that tries a version that is out; the next one may when this is dropped.
pub(crate) struct Trial(Arc<Breaker>);

impl Breaker {
    /// Closed; the version's gauge appears, at zero.
    pub(crate) fn new(
        (model, version): (&str, u64),
        setting: CircuitBreaker,
        on_turned: Option<OnTurned>,
    ) -> Self {
        let gauge = TrippedGauge::new(model, version);
        let (out, state) = (AtomicBool::new(false), Mutex::default());
        Self { model: model.into(), version, out, state, setting, gauge, on_turned }
    }

    /// Whether the version is out of the traffic.
    pub(crate) fn is_out(&self) -> bool {
        self.out.load(Relaxed)
    }

    /// Why it is, where that is for its runs.
    pub(crate) fn trip(&self) -> Option<Trip> {
        lock(&self.state).trip.clone()
    }

    /// A run came to this, as far as it is known for good: not of a batch that is run again in parts.
    pub(crate) fn ran(&self, outcome: Result<(), &Error>, now: Instant) {
        let judged = match outcome {
            _ if self.setting == CircuitBreaker::Off => return,
            Ok(()) => Outcome::Success,
            Err(error) if is_its_own(error.code()) => Outcome::Failure,
            Err(_) => return,
        };
        let mut state = lock(&self.state);
        let turn = state.circuit.observe(judged, now);
        if let (Some(Trip { last, .. }), Err(error)) = (&mut state.trip, outcome) {
            *last = error.message().to_owned();
        }
        let Some(turn) = turn else { return };
        match turn {
            Turn::Opened(failures) => {
                let last = outcome.err().map(|error| error.message().to_owned()).unwrap_or_default();
                state.trip = Some(Trip { since: now, failures, last });
            }
            Turn::OpenedAgain(pause) => {
                drop(state);
                return self.tell_of_trial(outcome, pause);
            }
            Turn::Closed => state.trip = None,
        }
        self.show(&state);
        drop(state);
        if let Some(on_turned) = &self.on_turned {
            on_turned();
        }
    }

    /// Whether no instance has a session now.
    pub(crate) fn without_session(&self, without: bool, now: Instant) {
        if self.setting == CircuitBreaker::On {
            let mut state = lock(&self.state);
            state.without_session = without.then(|| state.without_session.unwrap_or(now));
            self.show(&state);
        }
    }

    /// Leave to try a version that is out, where it is time for that and nobody else does.
    pub(crate) fn begin_trial(self: &Arc<Self>, now: Instant) -> Option<Trial> {
        let mut state = lock(&self.state);
        (state.without_session.is_none() && state.circuit.begin_trial(now)).then(|| Trial(self.clone()))
    }

    fn show(&self, state: &State) {
        let out = state.without_session.is_some() || !state.circuit.is_closed();
        self.out.store(out, Relaxed);
        self.gauge.set(out);
    }

    fn tell_of_trial(&self, outcome: Result<(), &Error>, pause: Duration) {
        let (model, version) = (&self.model, self.version);
        let error = outcome.err().map(Error::message).unwrap_or_default();
        let stays_out_secs = pause.as_secs();
        warn!(%model, version, error, stays_out_secs, "a trial failed, the version stays out of the traffic");
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        lock(&self.0.state).circuit.end_trial();
    }
}

/// Whether a run failed for what the version is, rather than for what it was asked.
///
/// A session says `DeadlineExceeded` of a run that does not end; callers' own deadlines are kept by the queue.
fn is_its_own(code: ErrorCode) -> bool {
    use ErrorCode::{DeadlineExceeded, Internal, OutOfMemory, Unavailable};
    matches!(code, Internal | OutOfMemory | Unavailable | DeadlineExceeded)
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failures: Failures { failed, runs }, last, .. } = self;
        write!(f, "taken out of the traffic: {failed} of its last {runs} runs failed, the last with: {last}")
    }
}
