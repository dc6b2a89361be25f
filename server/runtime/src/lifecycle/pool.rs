//! Threads that take jobs: those that load, at a low priority, and those that open what was loaded, at the usual one.
//!
//! Where a request and a load want the same core, the request gets it. Threads inherit the priority of who starts them,
//! and may not raise it again: so those that serve are never started by one that loads. All live as long as the pool,
//! since memory goes back to the thread that allocated it, to be used for the next model.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use girandole_core::{Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// About a tenth of the share that a thread of the usual niceness, 0, gets of a core that both want.
const NICENESS: i32 = 10;

/// What the threads of a pool are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading, planning, warming up.
    Load,
    /// Starting the threads that serve.
    Open,
}

/// A fixed number of threads that take jobs in order. They end when the pool is dropped and no job is left.
pub(super) struct Pool(Sender<Job>);

impl Pool {
    /// Starts the threads, at least one.
    ///
    /// # Errors
    /// `Internal` where the system has no thread to give.
    pub(super) fn start(threads: usize, purpose: Purpose) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let name = match purpose {
            Purpose::Load => "load",
            Purpose::Open => "open",
        };
        for number in 0..threads.max(1) {
            let jobs = receiver.clone();
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || {
                    if purpose == Purpose::Load {
                        lower();
                    }
                    while let Some(job) = next(&jobs) {
                        job()
                    }
                })
                .map_err(|e| Error::internal(format!("cannot start a thread to {name} models: {e}")))?;
        }
        Ok(Self(sender))
    }

    /// Runs a job when a thread is free. The job must not panic.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The threads hold the receiver for as long as the pool lives.
        let _ = self.0.send(Box::new(job));
    }

    /// Runs a job when a thread is free, and waits for what comes of it.
    ///
    /// # Errors
    /// The job's, or `Internal` where it panics.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, outcome) = mpsc::channel();
        self.run(move || {
            let done = catch_unwind(AssertUnwindSafe(job));
            let _ = sender.send(done.unwrap_or_else(|_| Err(Error::internal("it failed unexpectedly"))));
        });
        outcome.recv().unwrap_or_else(|_| Err(Error::internal("the thread for it is gone")))
    }
}

/// On Linux this is the calling thread's niceness, not the process's.
fn lower() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "models load at the usual priority");
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn only_those_that_load_have_a_low_priority() {
        let of = |purpose| Pool::start(1, purpose).unwrap().ask(|| Ok(niceness())).unwrap();
        assert_eq!(of(Purpose::Load), (niceness() + NICENESS).min(19));
        assert_eq!(of(Purpose::Open), niceness());
    }

    #[test]
    fn a_job_that_panics_is_an_error_and_the_thread_goes_on() {
        let pool = Pool::start(1, Purpose::Open).unwrap();
        assert!(pool.ask::<()>(|| panic!("an odd model")).is_err());
        assert_eq!(pool.ask(|| Ok(3)), Ok(3));
    }
}
