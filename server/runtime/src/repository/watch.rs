//! Looks at the repositories again and again: when the file system tells of a change, when something that
//! was being written may be complete, and at every poll, as network file systems tell of nothing.
//!
//! A thread of its own, since a network file system may block a scan for minutes: everything else goes on.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant, SystemTime},
};

use girandole_core::{Error, Result};
use notify::{
    Event, EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tracing::{debug, warn};

use super::{Listing, Roots, Settling};

/// After a change is told of, more are likely: one scan serves them all.
const GATHER: Duration = Duration::from_millis(50);

/// What to watch, and how.
pub(crate) struct WatchOptions {
    /// The repositories.
    pub(crate) roots: Roots,
    /// How long a version must not change to be complete.
    pub(crate) settle_time: Duration,
    /// How often to look; `None` looks once.
    pub(crate) poll_interval: Option<Duration>,
}

/// A running watch; dropping it ends it.
pub(crate) struct Watcher {
    stop: Sender<Wake>,
}

enum Wake {
    Changed,
    Stop,
}

impl Watcher {
    /// Starts the thread, which reports every scan and when it began.
    ///
    /// # Errors
    /// `Internal` where no thread can be started.
    pub(crate) fn start(
        options: WatchOptions,
        report: impl Fn(Instant, Result<Listing>) + Send + 'static,
    ) -> Result<Self> {
        let (wake, woken) = mpsc::channel();
        let told = wake.clone();
        thread::Builder::new()
            .name("repository".to_owned())
            .spawn(move || watch(&options, &told, &woken, report))
            .map_err(|e| Error::internal(format!("cannot start the repository's thread: {e}")))?;
        Ok(Self { stop: wake })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread may have ended by itself.
        let _ = self.stop.send(Wake::Stop);
    }
}

fn watch(
    options: &WatchOptions,
    told: &Sender<Wake>,
    woken: &Receiver<Wake>,
    report: impl Fn(Instant, Result<Listing>),
) {
    let _notifications = options.poll_interval.and_then(|_| notifications(&options.roots, told.clone()));
    let mut roots = options.roots.clone();
    let mut settling = Settling::new(options.settle_time);
    loop {
        let began = Instant::now();
        let mut found = roots.scan();
        let failed = found.is_err();
        let settled = found.as_mut().ok();
        let again = settled.and_then(|listing| settling.observe(listing, Instant::now(), SystemTime::now()));
        report(began, found);
        let wait = match options.poll_interval {
            Some(interval) => again.map_or(interval, |again| again.min(interval)),
            None if failed => RETRY,
            None => return,
        };
        if !wait_for_more(woken, wait) {
            return;
        }
    }
}

/// How soon a repository that could not be read is tried again where it is otherwise read once.
const RETRY: Duration = Duration::from_secs(1);

/// Waits for the time to pass or for a change to be told of; false where the watch is to end.
fn wait_for_more(woken: &Receiver<Wake>, wait: Duration) -> bool {
    match woken.recv_timeout(wait) {
        Err(RecvTimeoutError::Timeout) => return true,
        Err(RecvTimeoutError::Disconnected) | Ok(Wake::Stop) => return false,
        Ok(Wake::Changed) => {}
    }
    let until = Instant::now() + GATHER;
    loop {
        match woken.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) | Ok(Wake::Stop) => return false,
            Ok(Wake::Changed) => {}
        }
    }
}

/// Asks the file system to tell of changes; `None` where it cannot, and polling is all there is.
fn notifications(roots: &Roots, told: Sender<Wake>) -> Option<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(event.kind)) {
            // The receiver is gone only once the watch has ended.
            let _ = told.send(Wake::Changed);
        }
    })
    .inspect_err(|e| warn!(error = %e, "no file notifications, changes are found by polling alone"))
    .ok()?;
    for root in roots.dirs() {
        match watcher.watch(root, RecursiveMode::Recursive) {
            Ok(()) => debug!(root = %root.display(), "watching model repository"),
            Err(e) => {
                warn!(root = %root.display(), error = %e, "no file notifications, changes are found by polling alone");
            }
        }
    }
    Some(watcher)
}

/// Reading is no change, and our own scans read.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}
