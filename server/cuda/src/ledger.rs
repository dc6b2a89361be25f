//! What was promised of a device's memory and is not taken yet, so that loads at once see each other.
//!
//! Invariants: who takes what it was promised says so once it has it: for a moment the same bytes may be missing from
//! what is free and be promised too, never neither. Nobody waits for a promise to end: who holds one may ask for
//! another on a second device, and one may last until a first request comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One device's promises, of all models of the process.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<usize>);

/// Bytes that are still to be taken; no longer promised once it is dropped.
#[derive(Debug)]
pub struct Promise {
    ledger: Arc<Ledger>,
    bytes: usize,
}

impl Ledger {
    /// Promises `bytes` where `allows` says so of what was promised before; nobody else is promised anything
    /// meanwhile.
    ///
    /// # Errors
    /// That of `allows`.
    pub fn promise<E>(
        self: &Arc<Self>,
        bytes: usize,
        allows: impl FnOnce(usize) -> Result<(), E>,
    ) -> Result<Promise, E> {
        let mut promised = self.lock();
        allows(*promised)?;
        *promised += bytes;
        Ok(Promise { ledger: self.clone(), bytes })
    }

    /// Bytes promised.
    pub fn promised(&self) -> usize {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Promise {
    /// Bytes of it.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives all of it up but `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let given_up = self.bytes.saturating_sub(bytes);
        self.bytes -= given_up;
        *self.ledger.lock() -= given_up;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_seen_by_the_next_until_it_is_kept_or_dropped() {
        let ledger = Arc::new(Ledger::default());
        let seen = |bytes| {
            let mut seen = None;
            let promise = ledger.promise(bytes, |promised| {
                seen = Some(promised);
                Ok::<(), ()>(())
            });
            (promise.unwrap(), seen.unwrap())
        };
        let (mut first, before_first) = seen(10);
        let (second, before_second) = seen(5);
        assert_eq!((before_first, before_second), (0, 10));
        first.shrink(4);
        first.shrink(6);
        assert_eq!((first.bytes(), ledger.promised()), (4, 9), "it never grows");
        drop(first);
        drop(second);
        assert_eq!(ledger.promised(), 0);
    }

    #[test]
    fn what_is_refused_is_not_promised() {
        let ledger = Arc::new(Ledger::default());
        assert_eq!(ledger.promise(10, |_| Err("full")).unwrap_err(), "full");
        assert_eq!(ledger.promised(), 0);
    }
}
