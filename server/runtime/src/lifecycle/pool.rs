//! The loading threads: few, so that loading never takes the processor from serving, and none of the
//! async runtime's.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use girandole_core::{Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads that take jobs in order. They end when the pool is dropped and no job is left.
pub(super) struct Pool(Sender<Job>);

impl Pool {
    /// Starts the threads, at least one.
    ///
    /// # Errors
    /// `Internal` where the system has no thread to give.
    pub(super) fn start(threads: usize) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let jobs = receiver.clone();
            thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || {
                    while let Some(job) = next(&jobs) {
                        job()
                    }
                })
                .map_err(|e| Error::internal(format!("cannot start a loading thread: {e}")))?;
        }
        Ok(Self(sender))
    }

    /// Runs a job when a thread is free. The job must not panic.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The threads hold the receiver for as long as the pool lives.
        let _ = self.0.send(Box::new(job));
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
