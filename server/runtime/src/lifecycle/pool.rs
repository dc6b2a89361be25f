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
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use crate::instances;

type Job = Box<dyn FnOnce() + Send>;

/// Of [`LoadPriority::Low`].
const NICENESS: i32 = instances::NICENESS + 10;

/// How threads that load stand against those that serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadPriority {
    /// They get what nobody else wants (SCHED_IDLE), and give it back at once: requests do not notice them, but on
    /// cores that are never free they hardly get on.
    #[default]
    Idle,
    /// They get about a tenth of a core that others want too (nice 10 beside sessions), and may keep it for some milliseconds.
    Low,
}

/// What the threads of a pool are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading, planning, warming up.
    Load(LoadPriority),
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
            Purpose::Load(_) => "load",
            Purpose::Open => "open",
        };
        for number in 0..threads.max(1) {
            let jobs = receiver.clone();
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || {
                    if let Purpose::Load(priority) = purpose {
                        priority.take();
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

impl LoadPriority {
    /// Gives it to the calling thread.
    fn take(self) {
        let taken = match self {
            Self::Idle => {
                let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
                set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
                    .map_err(|error| error.to_string())
            }
            // On Linux this is the thread's niceness, not the process's.
            Self::Low => rustix::process::nice(NICENESS).map(drop).map_err(|error| error.to_string()),
        };
        if let Err(error) = taken {
            tracing::debug!(%error, "models load at the usual priority");
        }
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
        let of = |purpose| {
            let pool = Pool::start(1, purpose).unwrap();
            pool.ask(|| Ok((niceness(), thread_priority::thread_schedule_policy().unwrap()))).unwrap()
        };
        let usual = (niceness(), thread_priority::thread_schedule_policy().unwrap());
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(of(Purpose::Load(LoadPriority::Idle)).1, idle);
        assert_eq!(of(Purpose::Load(LoadPriority::Low)), ((usual.0 + NICENESS).min(19), usual.1));
        assert_eq!(of(Purpose::Open), usual);
    }

    #[test]
    fn a_job_that_panics_is_an_error_and_the_thread_goes_on() {
        let pool = Pool::start(1, Purpose::Open).unwrap();
        assert!(pool.ask::<()>(|| panic!("an odd model")).is_err());
        assert_eq!(pool.ask(|| Ok(3)), Ok(3));
    }
}
