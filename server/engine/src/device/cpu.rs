//! Processor threads of a session: everything that a session computes runs inside its own pool, so that it
//! keeps no more cores busy than it was given.

use std::num::NonZero;

use girandole_core::{Error, ErrorCode, Result};

/// The threads of one session.
#[derive(Debug)]
pub struct CpuPool(rayon::ThreadPool);

impl CpuPool {
    /// A pool of `threads` threads.
    ///
    /// # Errors
    /// `Unavailable` where the system gives no more threads.
    pub fn new(threads: usize) -> Result<Self> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|i| format!("compute-{i}"))
            .build()
            .map(Self)
            .map_err(|error| Error::new(ErrorCode::Unavailable, format!("no threads for a session: {error}")))
    }

    /// Runs `work` on the pool's threads and waits for it.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

/// The threads that this machine runs at once.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
