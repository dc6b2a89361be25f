//! What a request hears that is refused before it is run.

use std::{sync::Arc, time::Duration};

use girandole_core::{Error, ErrorCode};

use crate::metrics::FailureReason;

/// When to come back after the queue was full, or after the model went away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request leaves the queue without having been run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue holds as many requests as it may.
    Full(usize),
    /// So many rows wait before it that its time would be over, as they take about so long.
    Backlog { rows: usize, wait: Duration },
    /// It waited longer than its queue timeout.
    Expired,
    /// Its deadline passed, or would pass before the answer.
    TooLate,
    /// Its caller has gone.
    Cancelled,
    /// The version is being taken down.
    Closed,
    /// No instance has a session, and why.
    NoSession(Arc<str>),
}

impl Refusal {
    /// What it counts as.
    pub(crate) fn reason(&self) -> FailureReason {
        match self {
            Self::Full(_) | Self::Backlog { .. } | Self::Expired | Self::TooLate => FailureReason::Rejected,
            Self::Cancelled => FailureReason::Canceled,
            Self::NoSession(_) => FailureReason::Backend,
            Self::Closed => FailureReason::Other,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full(size) => {
                let message = format!("the queue is full: {size} requests wait already, try again later");
                Self::new(ErrorCode::Overloaded, message).retry_after(RETRY_AFTER)
            }
            Refusal::Backlog { rows, wait } => {
                let message = format!(
                    "{rows} rows wait before the request, which takes about {} ms: longer than it may wait; try \
                     again later, or allow more time",
                    wait.as_millis()
                );
                Self::new(ErrorCode::Overloaded, message).retry_after(wait.max(RETRY_AFTER))
            }
            Refusal::Expired => {
                let message = "the request waited in the queue for longer than its timeout";
                Self::new(ErrorCode::DeadlineExceeded, message)
            }
            Refusal::TooLate => {
                let message = "the deadline passed, or is too near for an answer; allow more time";
                Self::new(ErrorCode::DeadlineExceeded, message)
            }
            Refusal::Cancelled => Self::new(ErrorCode::Cancelled, "the caller has gone"),
            Refusal::Closed => {
                Self::unavailable("the version is being unloaded, try again").retry_after(RETRY_AFTER)
            }
            Refusal::NoSession(why) => Self::unavailable(&*why).retry_after(RETRY_AFTER),
        }
    }
}
