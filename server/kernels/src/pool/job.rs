//! What a caller and its helpers share: the tasks of one job at a time.
//!
//! Invariants: only the thread that occupies the board publishes jobs, one after the other; a job's closure
//! is alive until `done` has counted all its tasks; a task is taken by exactly one thread, since taking it
//! lowers `state` by one in one compare-and-swap, and the job's number beside the count makes a stale one
//! fail.

use std::{
    any::Any,
    cell::UnsafeCell,
    hint,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

/// Turns of the caller's wait for the last task before it lets others have the core.
const SPINS: u32 = 20_000;

/// A closure without its lifetime; `None` before the first job.
type Work = Option<*const (dyn Fn(usize) + Sync)>;

#[derive(Debug)]
pub(super) struct Board {
    /// The job's number in the high half, the tasks that nobody has taken yet in the low one.
    state: AtomicU64,
    /// Tasks of the job that have ended.
    done: AtomicU32,
    work: UnsafeCell<Work>,
    /// What a task threw.
    thrown: Mutex<Option<Box<dyn Any + Send>>>,
    occupied: AtomicBool,
    closed: AtomicBool,
    /// Helpers that sleep, or are about to.
    parked: AtomicUsize,
    helpers: OnceLock<Vec<Thread>>,
}

// SAFETY: `work` is written only by the thread that occupies the board, and only while no task of a job is
// open, so that no other thread reads it then; what it points to is `Sync`. All else is atomic or locked.
unsafe impl Sync for Board {}
// SAFETY: as above; the pointer in `work` is only followed while its owner waits for the job.
unsafe impl Send for Board {}

impl Board {
    pub(super) const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            done: AtomicU32::new(0),
            work: UnsafeCell::new(None),
            thrown: Mutex::new(None),
            occupied: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            parked: AtomicUsize::new(0),
            helpers: OnceLock::new(),
        }
    }

    pub(super) fn set_helpers(&self, helpers: Vec<Thread>) {
        let _ = self.helpers.set(helpers);
    }

    /// Whether the caller is now the one that may publish jobs.
    pub(super) fn occupy(&self) -> bool {
        !self.occupied.swap(true, Ordering::Acquire)
    }

    pub(super) fn leave(&self) {
        self.occupied.store(false, Ordering::Release);
    }

    /// Whether a caller is inside, and more work may come any moment.
    pub(super) fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Tells the helpers to end.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Publishes a job, takes part in it, and returns when all its tasks have ended.
    pub(super) fn run(&self, tasks: u32, work: &(dyn Fn(usize) + Sync)) {
        self.publish(tasks, work);
        while self.step() {}
        let mut turns = 0u32;
        while self.done.load(Ordering::Acquire) != tasks {
            turns = turns.saturating_add(1);
            if turns < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
        if let Some(thrown) = self.thrown.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(thrown);
        }
    }

    fn publish(&self, tasks: u32, work: &(dyn Fn(usize) + Sync)) {
        self.done.store(0, Ordering::Relaxed);
        // SAFETY: the lifetime is forgotten, not extended: `run` returns only when every task has ended, and
        // nobody follows the pointer without a task. The slot is written while no task is open.
        unsafe {
            let work = std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
                work,
            );
            *self.work.get() = Some(work);
        }
        let number = (self.state.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        // Sequentially consistent with the helpers' `parked`: either they see the job, or this sees them.
        self.state.store(number << 32 | u64::from(tasks), Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        self.helpers.get().into_iter().flatten().for_each(Thread::unpark);
    }

    /// Whether a job has tasks that nobody has taken.
    fn has_work(&self) -> bool {
        self.state.load(Ordering::SeqCst) as u32 != 0
    }

    /// Takes one task and runs it; false where there is none.
    pub(super) fn step(&self) -> bool {
        let mut state = self.state.load(Ordering::Acquire);
        while state as u32 != 0 {
            let taken =
                self.state.compare_exchange_weak(state, state - 1, Ordering::AcqRel, Ordering::Acquire);
            match taken {
                Ok(_) => {
                    self.task(state as u32 as usize - 1);
                    return true;
                }
                Err(current) => state = current,
            }
        }
        false
    }

    fn task(&self, index: usize) {
        // SAFETY: this thread holds a task that `done` has not counted, so the job cannot end, nor the next be
        // published, before the last line of this function; the state was read with Acquire after it.
        let work = unsafe { (*self.work.get()).map(|work| &*work) };
        if let Some(work) = work
            && let Err(thrown) = catch_unwind(AssertUnwindSafe(|| work(index)))
        {
            *self.thrown.lock().unwrap_or_else(PoisonError::into_inner) = Some(thrown);
        }
        self.done.fetch_add(1, Ordering::Release);
    }

    /// Helpers that sleep, or are about to.
    #[cfg(test)]
    pub(super) fn sleeping(&self) -> usize {
        self.parked.load(Ordering::SeqCst)
    }

    /// Sleeps until woken, unless there is something to do.
    pub(super) fn sleep(&self) {
        self.parked.fetch_add(1, Ordering::SeqCst);
        if !self.has_work() && !self.is_closed() {
            thread::park();
        }
        self.parked.fetch_sub(1, Ordering::SeqCst);
    }
}
