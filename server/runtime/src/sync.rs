//! The locks, signals, channels, threads and clock of whatever a request meets between the service and its session.
//!
//! They are the standard library's. The tests of `races` (feature `races`, see docs/testing.md) are built over a model
//! checker's instead, so that what is explored is the code that serves. A library never has them, whatever its
//! features: they are a test's.

#[cfg(test)]
#[cfg(feature = "races")]
mod explored;
#[cfg(not(all(test, feature = "races")))]
mod real;

use std::sync::PoisonError;

#[cfg(all(test, feature = "races"))]
pub(crate) use self::explored::{
    ArcSwap, Condvar, Mutex, MutexGuard, let_time_pass, mpsc, now, thread, timeout_at,
};
#[cfg(not(all(test, feature = "races")))]
pub(crate) use self::real::{ArcSwap, Condvar, Mutex, MutexGuard, mpsc, now, thread, timeout_at};

/// A poisoned lock means that a thread panicked between two consistent states; the state is still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
