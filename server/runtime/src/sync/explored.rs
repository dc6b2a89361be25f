//! The model checker's (shuttle): every lock, signal, send, receive and swap is a step before which any other thread
//! may run, and the checker chooses which.
//!
//! Time stands still and nothing times out, so that no timer makes up for a signal that was lost. A scenario may
//! [let time pass](let_time_pass): then the first so many waits with an end are given a timer, which ends when the
//! checker says: before the signal, after it, or not while it matters.

mod condvar;
mod mutex;

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::{Duration, Instant},
};

use arc_swap::Guard;
pub(crate) use shuttle::{sync::mpsc, thread};

pub(crate) use self::{
    condvar::Condvar,
    mutex::{Mutex, MutexGuard},
};

thread_local! {
    /// What has passed. All threads of an execution are run by one of the system's.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// How many timers there may be yet.
    static TIMERS: Cell<usize> = const { Cell::new(0) };
}

/// Gives so many timers to what waits with an end from here on; for the start of an execution.
pub(crate) fn let_time_pass(timers: usize) {
    TIMERS.set(timers);
}

/// Whether a wait gets a timer.
fn take_timer() -> bool {
    let left = TIMERS.get();
    TIMERS.set(left.saturating_sub(1));
    left > 0
}

/// The time: it passes only when a timer ends.
pub(crate) fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now) + PASSED.get()
}

/// It is `at` now, or later.
fn pass_until(at: Instant) {
    PASSED.set(PASSED.get() + at.saturating_duration_since(now()));
}

/// The time is up.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Waits for `future`, or for the end of a timer where there is one.
pub(crate) async fn timeout_at<F: Future>(at: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut timer = take_timer().then(|| shuttle::future::spawn(async move { pass_until(at) }));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        match timer.as_mut().map(|timer| pin!(timer).poll(context)) {
            Some(Poll::Ready(_)) => Poll::Ready(Err(Elapsed)),
            _ => Poll::Pending,
        }
    })
    .await
}

/// A pointer whose loads and stores are steps; what is loaded may be held across others' steps.
pub(crate) struct ArcSwap<T>(arc_swap::ArcSwap<T>);

impl<T: Default> Default for ArcSwap<T> {
    fn default() -> Self {
        Self(arc_swap::ArcSwap::default())
    }
}

impl<T> ArcSwap<T> {
    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        step();
        let loaded = self.0.load();
        step();
        loaded
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        Guard::into_inner(self.load())
    }

    pub(crate) fn store(&self, value: Arc<T>) {
        step();
        self.0.store(value);
        step();
    }
}

/// Any other thread may run here.
fn step() {
    thread::sleep(Duration::ZERO);
}
