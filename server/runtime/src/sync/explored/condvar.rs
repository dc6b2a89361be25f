//! A signal that wakes whichever waiter the checker says, and whose waits with an end may have a timer, which wakes
//! its own waiter and nobody else. The checker's own has no timers.
//!
//! What is between two steps is never interrupted, so the list of waiters needs a lock only for the compiler.

use std::{
    fmt,
    sync::{Arc, LockResult, PoisonError},
    time::Duration,
};

use shuttle::{
    rand::{Rng, thread_rng},
    sync::mpsc,
    thread,
};

use super::{MutexGuard, now, pass_until, step, take_timer};

/// Threads that wait.
#[derive(Clone, Default)]
pub(crate) struct Condvar(Arc<std::sync::Mutex<Waiters>>);

/// Those that wait by number, and how each is woken.
#[derive(Default)]
struct Waiters {
    next: u64,
    waiting: Vec<(u64, mpsc::Sender<()>)>,
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        sleep(&self.enter().1, guard)
    }

    /// The second of what is returned says nothing.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        after: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let (number, woken) = self.enter();
        if take_timer() {
            let (signal, at) = (self.clone(), now() + after);
            thread::spawn(move || {
                pass_until(at);
                wake(signal.leave(number));
            });
        }
        Ok((sleep(&woken, guard).unwrap_or_else(PoisonError::into_inner), ()))
    }

    pub(crate) fn notify_one(&self) {
        step();
        wake(self.change(|waiters| match waiters.waiting.len() {
            0 => None,
            1 => waiters.waiting.pop(),
            several => Some(waiters.waiting.remove(thread_rng().gen_range(0..several))),
        }));
    }

    pub(crate) fn notify_all(&self) {
        step();
        wake(self.change(|waiters| std::mem::take(&mut waiters.waiting)));
    }

    fn enter(&self) -> (u64, mpsc::Receiver<()>) {
        let (wake, woken) = mpsc::channel();
        self.change(|waiters| {
            waiters.next += 1;
            waiters.waiting.push((waiters.next, wake));
            (waiters.next, woken)
        })
    }

    /// Takes a waiter out, if it still waits.
    fn leave(&self, number: u64) -> Option<(u64, mpsc::Sender<()>)> {
        self.change(|waiters| {
            let at = waiters.waiting.iter().position(|(waiting, _)| *waiting == number)?;
            Some(waiters.waiting.remove(at))
        })
    }

    fn change<R>(&self, change: impl FnOnce(&mut Waiters) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets the lock go until the waiter is woken.
fn sleep<'a, T>(woken: &mpsc::Receiver<()>, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
    let mutex = guard.mutex;
    drop(guard);
    let _ = woken.recv();
    mutex.lock()
}

fn wake(waiters: impl IntoIterator<Item = (u64, mpsc::Sender<()>)>) {
    for (_, wake) in waiters {
        // Nobody leaves before it is woken.
        let _ = wake.send(());
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}
