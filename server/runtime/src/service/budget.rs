//! How many bytes of requests may be in flight at once, all models together.
//!
//! Invariant: what is held never exceeds the limit; a permit gives back exactly what it took.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use girandole_core::{Error, ErrorCode, Result};

/// Bytes of payload in flight where nothing else is set: 1 GiB.
pub const DEFAULT_IN_FLIGHT_BYTES: usize = 1 << 30;

/// A counting budget of bytes.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    limit: usize,
    held: AtomicUsize,
}

/// Bytes held until dropped.
#[derive(Debug)]
pub struct BytesHeld {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl Default for ByteBudget {
    fn default() -> Self {
        Self::new(DEFAULT_IN_FLIGHT_BYTES)
    }
}

impl ByteBudget {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0) }
    }

    /// Takes `bytes` of it.
    ///
    /// # Errors
    /// `TooLarge` for more than the whole budget, `Overloaded` where others hold too much of it now.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Result<BytesHeld> {
        let mut held = self.hold();
        held.add(bytes)?;
        Ok(held)
    }

    /// Nothing of it yet.
    pub(crate) fn hold(self: &Arc<Self>) -> BytesHeld {
        BytesHeld { budget: self.clone(), bytes: 0 }
    }

    /// Takes `bytes` of it for a request that holds some already.
    fn take_beside(&self, held: usize, bytes: usize) -> Result<()> {
        let all = held.saturating_add(bytes);
        if all > self.limit {
            let message = format!("a request of {all} bytes exceeds the server's limit of {}", self.limit);
            return Err(Error::new(ErrorCode::TooLarge, message));
        }
        let more = |held: usize| held.checked_add(bytes).filter(|&held| held <= self.limit);
        match self.held.try_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => {
                let message =
                    "the requests in flight take all the memory set aside for them, try again later";
                Err(Error::new(ErrorCode::Overloaded, message).retry_after(Duration::from_secs(1)))
            }
        }
    }
}

impl BytesHeld {
    /// Holds so many more.
    ///
    /// # Errors
    /// `TooLarge` for more than the whole budget, `Overloaded` where others hold too much of it now.
    pub fn add(&mut self, bytes: usize) -> Result<()> {
        self.budget.take_beside(self.bytes, bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for BytesHeld {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact_and_what_was_held_comes_back() {
        let budget = Arc::new(ByteBudget::new(10));
        let first = budget.take(6).unwrap();
        let _second = budget.take(4).unwrap();
        assert_eq!(budget.take(1).unwrap_err().code(), ErrorCode::Overloaded);
        drop(first);
        assert!(budget.take(6).is_ok());
        assert_eq!(budget.take(11).unwrap_err().code(), ErrorCode::TooLarge);
    }

    #[test]
    fn what_is_held_grows_while_there_is_room() {
        let budget = Arc::new(ByteBudget::new(10));
        let (mut first, mut second) = (budget.hold(), budget.hold());
        first.add(4).unwrap();
        first.add(4).unwrap();
        assert_eq!(second.add(3).unwrap_err().code(), ErrorCode::Overloaded);
        assert_eq!(first.add(3).unwrap_err().code(), ErrorCode::TooLarge);
        drop(first);
        assert!(second.add(10).is_ok());
    }
}
