//! Memory of one queue: blocks that are given back are kept and handed out again, in the queue's order, so that a
//! run after the first allocates nothing and a captured graph finds its blocks where they were.
//!
//! Invariants: a block is handed out to one [`Buffer`] at a time; blocks go back to the device only in
//! [`Arena::trim`], which nobody calls while a graph may still use them, and when the arena and all its buffers are
//! gone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Pointer, Queue, Result};

/// Blocks are multiples of this many bytes, as the device's own allocator makes them.
const GRAIN: usize = 512;

/// A queue's memory. Clones share it.
#[derive(Clone)]
pub struct Arena(Arc<Shared>);

struct Shared {
    queue: Arc<dyn Queue>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Blocks that nobody has, by size.
    free: BTreeMap<usize, Vec<Pointer>>,
    /// Bytes of all blocks.
    held: usize,
}

/// Bytes of a device; they go back to the arena with the last clone of the handle.
#[derive(Clone, Debug)]
pub struct Buffer(Arc<Block>);

#[derive(Debug)]
struct Block {
    at: Pointer,
    bytes: usize,
    arena: Arena,
}

impl Arena {
    /// An empty one.
    pub fn new(queue: Arc<dyn Queue>) -> Self {
        Self(Arc::new(Shared { queue, state: Mutex::default() }))
    }

    /// At least `bytes` bytes, with anything in them.
    ///
    /// # Errors
    /// `OutOfMemory` where the device has none left.
    pub fn take(&self, bytes: usize) -> Result<Buffer> {
        let bytes = bytes.max(1).next_multiple_of(GRAIN);
        let kept = self.lock().reuse(bytes);
        match kept {
            Some((at, bytes)) => Ok(Buffer(Arc::new(Block { at, bytes, arena: self.clone() }))),
            None => self.fresh(bytes),
        }
    }

    /// A block that nothing has used before: what a captured graph reads again and again must lie where no graph
    /// captured earlier writes.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn fresh(&self, bytes: usize) -> Result<Buffer> {
        let bytes = bytes.max(1).next_multiple_of(GRAIN);
        let at = self.0.queue.allocate(bytes)?;
        self.lock().held += bytes;
        Ok(Buffer(Arc::new(Block { at, bytes, arena: self.clone() })))
    }

    /// Bytes of the device that it holds, in use or not.
    pub fn held(&self) -> usize {
        self.lock().held
    }

    /// Gives blocks that nobody has back to the device.
    pub fn trim(&self) {
        let free = {
            let mut state = self.lock();
            let free = std::mem::take(&mut state.free);
            state.held -= free.iter().map(|(bytes, blocks)| bytes * blocks.len()).sum::<usize>();
            free
        };
        free.into_values().flatten().for_each(|at| self.0.queue.free(at));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The smallest block of at least `bytes`, where none is more than twice that.
    fn reuse(&mut self, bytes: usize) -> Option<(Pointer, usize)> {
        let (&size, blocks) = self.free.range_mut(bytes..=bytes.saturating_mul(2)).next()?;
        let at = blocks.pop()?;
        if blocks.is_empty() {
            self.free.remove(&size);
        }
        Some((at, size))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let free = std::mem::take(&mut state.free);
        free.into_values().flatten().for_each(|at| self.queue.free(at));
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arena({} bytes)", self.held())
    }
}

impl Buffer {
    /// Where it is.
    pub fn at(&self) -> Pointer {
        self.0.at
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.arena.lock().free.entry(self.bytes).or_default().push(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::Stub;

    #[test]
    fn a_block_given_back_is_handed_out_again() {
        let stub = Arc::new(Stub::new());
        let arena = Arena::new(stub.clone());
        let first = arena.take(1000).unwrap();
        let at = first.at();
        let second = arena.take(1000).unwrap();
        assert_ne!(at, second.at());
        drop(first);
        assert_eq!(arena.take(700).unwrap().at(), at);
        assert_eq!(arena.held(), 2048);
    }

    #[test]
    fn a_block_far_too_large_is_not_wasted() {
        let arena = Arena::new(Arc::new(Stub::new()));
        drop(arena.take(1 << 20).unwrap());
        assert_eq!(arena.take(512).unwrap().bytes(), 512);
    }

    #[test]
    fn everything_goes_back_to_the_device() {
        let stub = Arc::new(Stub::new());
        let arena = Arena::new(stub.clone());
        let kept = arena.take(512).unwrap();
        drop(arena.take(1 << 20).unwrap());
        arena.trim();
        assert_eq!((arena.held(), stub.allocated()), (512, 512));
        drop(arena);
        drop(kept);
        assert_eq!(stub.allocated(), 0);
    }
}
