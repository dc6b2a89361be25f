//! Answers what a device never will: a batch whose work does not end is given up, and its device with it, so that
//! who waits is told and nothing more is put there. Its session's thread stays where it waits.

use std::{
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use girandole_core::{BatchOutputs, Error, ErrorCode, Reply, Result};
use girandole_cuda::Queue;

use crate::limits;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// A run may take what its steps may, and as much again to be made ready.
const LONGEST: Duration = limits::RUN.saturating_mul(2);

/// What runs on a session's queue, and who waits for it.
pub(crate) struct Watched {
    queue: Arc<dyn Queue>,
    running: Mutex<Option<Running>>,
}

struct Running {
    since: Instant,
    reply: Reply,
}

/// All sessions' queues.
static ALL: Mutex<Vec<Weak<Watched>>> = Mutex::new(Vec::new());
static STARTED: Once = Once::new();

impl Watched {
    /// Nothing runs yet; looked after from now on.
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Arc<Self> {
        let watched = Arc::new(Self { queue, running: Mutex::default() });
        lock(&ALL).push(Arc::downgrade(&watched));
        STARTED.call_once(|| {
            let name = thread::Builder::new().name("gpu-watchdog".into());
            let spawned = name.spawn(|| {
                loop {
                    thread::sleep(EVERY);
                    look(&ALL, Instant::now());
                }
            });
            if let Err(error) = spawned {
                tracing::warn!(%error, "nobody looks after batches that do not end on a GPU");
            }
        });
        watched
    }

    /// A batch begins, whose answer goes to `reply`.
    pub(crate) fn begin(&self, reply: Reply) {
        *lock(&self.running) = Some(Running { since: Instant::now(), reply });
    }

    /// The batch has ended; nobody waits for it any more where it was given up.
    pub(crate) fn end(&self, outcome: Result<BatchOutputs>) {
        let running = lock(&self.running).take();
        if let Some(running) = running {
            running.reply.send(outcome);
        }
    }

    /// Gives the batch up that began too long before `now`.
    fn look(&self, now: Instant) {
        let overdue =
            lock(&self.running).take_if(|running| now.saturating_duration_since(running.since) > LONGEST);
        let Some(overdue) = overdue else { return };
        let device = self.queue.device();
        let seconds = LONGEST.as_secs();
        tracing::error!(gpu = device, "a batch has run for more than {seconds} s; the GPU is given up");
        self.queue.abandon();
        let why = format!("the batch has run on GPU {device} for more than {seconds} s and was given up");
        overdue.reply.send(Err(Error::new(ErrorCode::Unavailable, why)));
    }
}

/// Looks at all that are still there.
fn look(all: &Mutex<Vec<Weak<Watched>>>, now: Instant) {
    let mut there = Vec::new();
    lock(all).retain(|watched| {
        let watched = watched.upgrade();
        there.extend(watched.clone());
        watched.is_some()
    });
    there.iter().for_each(|watched| watched.look(now));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use girandole_cuda::stub::Stub;

    use super::*;

    #[test]
    fn a_batch_that_does_not_end_is_answered_and_its_device_given_up() {
        let queue = Arc::new(Stub::new());
        let watched = Arc::new(Watched { queue: queue.clone(), running: Mutex::default() });
        let all = Mutex::new(vec![Arc::downgrade(&watched)]);
        let (sender, receiver) = mpsc::channel();
        watched.begin(Reply::new(move |outcome| sender.send(outcome).unwrap()));
        look(&all, Instant::now() + LONGEST / 2);
        assert!(receiver.try_recv().is_err() && !queue.is_lost());
        look(&all, Instant::now() + LONGEST + EVERY);
        let error = receiver.try_recv().unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable);
        assert!(queue.is_lost());
        // What comes in the end changes nothing.
        watched.end(Ok(BatchOutputs::default()));
        assert!(receiver.try_recv().is_err());
        drop(watched);
        look(&all, Instant::now());
        assert!(lock(&all).is_empty());
    }
}
