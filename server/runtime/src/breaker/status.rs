//! A circuit breaker for its operator: how it stands, since when, why, and when the version is tried next.

use std::time::{Duration, Instant};

use super::{Breaker, policy::State};
use crate::{rollout::Clock, settings::CircuitBreaker, sync::lock};

/// How a version's circuit breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// The model does without one.
    Off,
    /// The version is in the traffic.
    Closed,
    /// It is taken out, and nobody tries it yet.
    Open,
    /// It is taken out, and one request at a time tries it.
    HalfOpen,
    /// It is out as long as no instance has a session.
    WithoutSession,
}

/// A version's circuit breaker as of now. Times are since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerStatus {
    /// The version.
    pub version: u64,
    /// How it stands.
    pub state: BreakerState,
    /// When the version was taken out of the traffic; `None` while it is in.
    pub since: Option<Duration>,
    /// Why.
    pub reason: Option<String>,
    /// When a request may try it, while that is to come.
    pub next_trial: Option<Duration>,
}

impl Breaker {
    /// How it stands; without a reason where that is the sessions'.
    pub(crate) fn status(&self, now: Instant, clock: Clock) -> BreakerStatus {
        let state = lock(&self.state);
        let version = self.version;
        if let Some(since) = state.without_session.map(|since| clock.at(since)) {
            let state = BreakerState::WithoutSession;
            return BreakerStatus { version, state, since: Some(since), reason: None, next_trial: None };
        }
        let (shown, next_trial) = match state.circuit.state(now) {
            State::Closed if self.setting == CircuitBreaker::Off => (BreakerState::Off, None),
            State::Closed => (BreakerState::Closed, None),
            State::Open { until } => (BreakerState::Open, Some(clock.at(until))),
            State::HalfOpen { .. } => (BreakerState::HalfOpen, None),
        };
        let trip = state.trip.as_ref();
        BreakerStatus {
            version,
            state: shown,
            since: trip.map(|trip| clock.at(trip.since)),
            reason: trip.map(ToString::to_string),
            next_trial,
        }
    }
}

impl BreakerState {
    /// As clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::WithoutSession => "without_session",
        }
    }
}
