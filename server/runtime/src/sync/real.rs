//! The standard library's, and tokio's timer.

use std::time::Instant;
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, mpsc},
    thread,
};

pub(crate) use arc_swap::ArcSwap;
use tokio::time::Timeout;

/// The time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for `future`, but not beyond `at`.
pub(crate) fn timeout_at<F: Future>(at: Instant, future: F) -> Timeout<F> {
    tokio::time::timeout_at(at.into(), future)
}
