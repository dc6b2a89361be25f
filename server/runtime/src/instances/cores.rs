//! The processor threads that all sessions share: a fair semaphore, first come, first served.
//!
//! Invariant: what is held at once never exceeds the total, and a large request is not overtaken by small
//! ones for ever, since tickets are served in order.

use std::sync::{Arc, PoisonError};

use crate::sync::{Condvar, Mutex, lock};

/// How many processor threads sessions may keep busy at once, all models together.
#[derive(Debug)]
pub struct CoreBudget {
    total: usize,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    next_ticket: u64,
    served: u64,
}

/// Threads held until dropped.
#[derive(Debug)]
pub(crate) struct Cores {
    budget: Arc<CoreBudget>,
    held: usize,
}

impl CoreBudget {
    /// A budget of `total` threads, at least 1.
    pub fn new(total: usize) -> Arc<Self> {
        let total = total.max(1);
        let state = State { free: total, next_ticket: 0, served: 0 };
        Arc::new(Self { total, state: Mutex::new(state), turn: Condvar::new() })
    }

    /// All of it.
    pub fn total(&self) -> usize {
        self.total
    }

    /// `threads` (at most the total) where they are free and nobody waits for some.
    pub(crate) fn try_acquire(self: &Arc<Self>, threads: usize) -> Option<Cores> {
        let held = threads.clamp(1, self.total);
        let mut state = lock(&self.state);
        if state.served != state.next_ticket || state.free < held {
            return None;
        }
        state.free -= held;
        Some(Cores { budget: self.clone(), held })
    }

    /// Blocks until `threads` (at most the total) are free and all earlier callers have theirs.
    pub(crate) fn acquire(self: &Arc<Self>, threads: usize) -> Cores {
        let held = threads.clamp(1, self.total);
        let mut state = lock(&self.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        while state.served != ticket || state.free < held {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.served += 1;
        state.free -= held;
        if state.served != state.next_ticket {
            self.turn.notify_all();
        }
        Cores { budget: self.clone(), held }
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        let mut state = lock(&self.budget.state);
        state.free += self.held;
        if state.served != state.next_ticket {
            self.budget.turn.notify_all();
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        thread,
    };

    use super::*;

    #[test]
    fn never_more_than_the_total_is_held() {
        let (budget, held, most) = (CoreBudget::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for threads in [1, 2, 3, 1, 9] {
                let (budget, held, most) = (&budget, &held, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let cores = budget.acquire(threads);
                        let now = held.fetch_add(cores.held, Ordering::SeqCst) + cores.held;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        held.fetch_sub(cores.held, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
        assert_eq!(lock(&budget.state).free, 3);
    }

    #[test]
    fn a_large_request_is_not_overtaken() {
        let budget = CoreBudget::new(2);
        let first = budget.acquire(1);
        let (sender, receiver) = mpsc::channel();
        let ask = |threads: usize, queued: u64| {
            let (budget, sender) = (budget.clone(), sender.clone());
            let waiting = budget.clone();
            let thread = thread::spawn(move || {
                let _cores = budget.acquire(threads);
                sender.send(threads).unwrap();
            });
            while lock(&waiting.state).next_ticket < queued {
                thread::yield_now();
            }
            thread
        };
        let large = ask(2, 2);
        let small = ask(1, 3);
        assert!(receiver.try_recv().is_err(), "the small one would fit, but is second");
        drop(first);
        large.join().unwrap();
        small.join().unwrap();
        assert_eq!(receiver.iter().take(2).collect::<Vec<_>>(), [2, 1]);
    }
}
