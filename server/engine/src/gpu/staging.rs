//! Pinned memory that outputs come back in: handed out with the answer as it is, and taken back once nobody reads
//! it any more.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use girandole_cuda::{Pinned, Queue};

use crate::error::Result;

/// Smaller outputs are copied out: pinned memory is scarce, and one small answer may be kept for long.
const COPIED: usize = 64 << 10;
/// The most pieces that wait to be used again.
const MOST: usize = 8;

/// See the module.
pub(crate) struct Staging {
    queue: Arc<dyn Queue>,
    free: Arc<Mutex<Vec<Pinned>>>,
}

/// A piece with an output in it.
pub(crate) struct HandedOut {
    memory: Option<Pinned>,
    bytes: usize,
    home: Weak<Mutex<Vec<Pinned>>>,
}

impl Staging {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue, free: Arc::default() }
    }

    /// At least `bytes` bytes.
    pub(crate) fn take(&self, bytes: usize) -> Result<Pinned> {
        let bytes = bytes.max(1).next_power_of_two();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.iter().position(|memory| memory.len() == bytes);
        let kept = fits.map(|place| free.swap_remove(place));
        drop(free);
        match kept {
            Some(memory) => Ok(memory),
            None => Ok(self.queue.pinned(bytes)?),
        }
    }

    /// The piece as what holds an output of `bytes` bytes.
    pub(crate) fn handed_out(&self, memory: Pinned, bytes: usize) -> HandedOut {
        HandedOut { memory: Some(memory), bytes, home: Arc::downgrade(&self.free) }
    }
}

impl HandedOut {
    /// Keeps as many bytes as `cut` says, which may move them.
    pub(crate) fn shorten(&mut self, cut: impl FnOnce(&mut [u8]) -> usize) {
        let Some(memory) = &mut self.memory else { return };
        if let Some(bytes) = memory.as_mut_slice().get_mut(..self.bytes) {
            self.bytes = cut(bytes).min(self.bytes);
        }
    }

    /// The output's bytes, once they are there.
    pub(crate) fn into_bytes(self) -> Bytes {
        if self.bytes <= COPIED { Bytes::copy_from_slice(self.as_ref()) } else { Bytes::from_owner(self) }
    }
}

impl AsRef<[u8]> for HandedOut {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], |memory| &memory.as_slice()[..self.bytes])
    }
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        let (Some(home), Some(memory)) = (self.home.upgrade(), self.memory.take()) else { return };
        let mut free = home.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MOST {
            free.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use girandole_cuda::stub::Stub;

    use super::*;

    #[test]
    fn a_large_answer_gives_its_memory_back_when_it_is_dropped() {
        let staging = Staging::new(Arc::new(Stub::new()));
        let memory = staging.take(COPIED + 1).unwrap();
        let at = memory.as_slice().as_ptr();
        let bytes = staging.handed_out(memory, COPIED + 1).into_bytes();
        assert_ne!(staging.take(COPIED + 1).unwrap().as_slice().as_ptr(), at);
        assert_eq!((bytes.len(), bytes.as_ptr()), (COPIED + 1, at));
        drop(bytes);
        assert_eq!(staging.take(COPIED + 1).unwrap().as_slice().as_ptr(), at);
    }
}
