//! A session's threads. The caller takes part in the work and never waits for a thread that sleeps: helpers
//! take what tasks they get to in time, the caller the rest. Outside [`Pool::enter`], and inside a task,
//! everything runs on the calling thread.
//!
//! Helpers spin for a moment after their last task, since a thread that sleeps takes far longer to come than
//! most kernels run, and then park: a session that only does small work keeps one thread busy.

mod job;
mod slices;
#[cfg(test)]
mod tests;
mod worker;

use std::{cell::Cell, io, ptr::NonNull, sync::Arc, thread::JoinHandle};

pub use slices::{chunks, chunks2};

use job::Board;

/// The threads of one session.
#[derive(Debug)]
pub struct Pool {
    board: Arc<Board>,
    helpers: Vec<JoinHandle<()>>,
}

thread_local! {
    /// The pool that this thread has entered, where it is not inside a task.
    static ENTERED: Cell<Option<Entered>> = const { Cell::new(None) };
}

/// A pool for as long as a caller is inside [`Pool::enter`].
#[derive(Clone, Copy)]
struct Entered {
    board: NonNull<Board>,
    threads: usize,
}

impl Pool {
    /// A pool of `threads` threads, of which the caller of [`Self::enter`] is one.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn new(threads: usize) -> io::Result<Self> {
        let mut pool = Self { board: Arc::new(Board::new()), helpers: Vec::new() };
        for index in 1..threads.max(1) {
            let board = pool.board.clone();
            let helper = std::thread::Builder::new().name(format!("compute-{index}"));
            pool.helpers.push(helper.spawn(move || worker::run(&board))?);
        }
        pool.board.set_helpers(pool.helpers.iter().map(|helper| helper.thread().clone()).collect());
        Ok(pool)
    }

    /// Runs `work` on the calling thread; what it [`run`]s is shared with the pool's other threads. One
    /// caller at a time: a second one, and one inside another pool's task, keeps to its own thread.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        if self.helpers.is_empty() || !self.board.occupy() {
            return work();
        }
        let entered = Entered { board: NonNull::from(&*self.board), threads: self.helpers.len() + 1 };
        let _inside = Inside { before: ENTERED.replace(Some(entered)), board: &self.board };
        work()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.board.close();
        for helper in self.helpers.drain(..) {
            // A helper catches what its tasks throw, so that there is nothing to hear of here.
            let _ = helper.join();
        }
    }
}

/// Leaves the pool at its end, also where the work panics.
struct Inside<'a> {
    before: Option<Entered>,
    board: &'a Board,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        ENTERED.set(self.before);
        self.board.leave();
    }
}

/// Hides the pool from the tasks that the caller runs, until its end.
struct InTask(Option<Entered>);

impl Drop for InTask {
    fn drop(&mut self) {
        ENTERED.set(self.0);
    }
}

/// Threads that [`run`] spreads work over here: 1 outside a pool and inside a task.
pub fn threads() -> usize {
    ENTERED.get().map_or(1, |entered| entered.threads)
}

/// Calls `work` with each of `0..tasks`, once, on the current pool's threads, and waits for all.
///
/// # Panics
/// Where a task does, after all of them have ended.
pub fn run(tasks: usize, work: &(dyn Fn(usize) + Sync)) {
    match (ENTERED.get(), u32::try_from(tasks)) {
        (Some(entered), Ok(count)) if count > 1 => {
            let _in_task = InTask(ENTERED.replace(None));
            // SAFETY: the board lives as long as its pool, which is borrowed for as long as this thread is
            // inside `enter`; `ENTERED` is reset when it leaves.
            unsafe { entered.board.as_ref() }.run(count, work);
        }
        _ => (0..tasks).for_each(work),
    }
}
