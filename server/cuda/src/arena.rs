//! Memory of one queue: blocks that are given back are kept and handed out again, in the queue's order, so that a
//! run after the first allocates nothing and a captured graph finds its blocks where they were.
//!
//! Invariants: a block is handed out to one [`Buffer`] at a time; one that was taken apart is never handed out
//! otherwise, so that only the graph that holds it knows it; blocks go back to the device only in [`Arena::trim`],
//! which nobody calls while a graph may still use them, and when the arena and all its buffers are gone.

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
    /// Blocks that nobody has.
    free: Blocks,
    /// Those that were taken apart.
    apart: Blocks,
    /// Bytes of all blocks.
    held: usize,
}

/// Blocks by size.
#[derive(Default)]
struct Blocks(BTreeMap<usize, Vec<Pointer>>);

/// Who else may have used a block.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Any run, and any graph.
    Shared,
    /// Nobody who still runs.
    Apart,
}

/// Bytes of a device; they go back to the arena with the last clone of the handle.
#[derive(Clone, Debug)]
pub struct Buffer(Arc<Block>);

#[derive(Debug)]
struct Block {
    at: Pointer,
    bytes: usize,
    kind: Kind,
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
        self.block(bytes, Kind::Shared)
    }

    /// A block that no graph that is left has used: what a captured graph reads again and again must lie where no
    /// graph captured earlier writes.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_apart(&self, bytes: usize) -> Result<Buffer> {
        self.block(bytes, Kind::Apart)
    }

    fn block(&self, bytes: usize, kind: Kind) -> Result<Buffer> {
        let bytes = bytes.max(1).next_multiple_of(GRAIN);
        let kept = self.lock().free(kind).reuse(bytes);
        let (at, bytes) = match kept {
            Some(kept) => kept,
            None => {
                let at = self.0.queue.allocate(bytes)?;
                self.lock().held += bytes;
                (at, bytes)
            }
        };
        Ok(Buffer(Arc::new(Block { at, bytes, kind, arena: self.clone() })))
    }

    /// Bytes of the device that it holds, in use or not.
    pub fn held(&self) -> usize {
        self.lock().held
    }

    /// Gives blocks that nobody has back to the device.
    pub fn trim(&self) {
        let free = {
            let mut state = self.lock();
            let free = state.take_free();
            state.held -= free.iter().map(Blocks::bytes).sum::<usize>();
            free
        };
        free.into_iter().for_each(|blocks| blocks.give_back(&*self.0.queue));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn free(&mut self, kind: Kind) -> &mut Blocks {
        match kind {
            Kind::Shared => &mut self.free,
            Kind::Apart => &mut self.apart,
        }
    }

    fn take_free(&mut self) -> [Blocks; 2] {
        [Kind::Shared, Kind::Apart].map(|kind| std::mem::take(self.free(kind)))
    }
}

impl Blocks {
    /// The smallest block of at least `bytes`, where none is more than twice that.
    fn reuse(&mut self, bytes: usize) -> Option<(Pointer, usize)> {
        let (&size, blocks) = self.0.range_mut(bytes..=bytes.saturating_mul(2)).next()?;
        let at = blocks.pop()?;
        if blocks.is_empty() {
            self.0.remove(&size);
        }
        Some((at, size))
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(bytes, blocks)| bytes * blocks.len()).sum()
    }

    fn give_back(self, queue: &dyn Queue) {
        self.0.into_values().flatten().for_each(|at| queue.free(at));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.take_free().into_iter().for_each(|blocks| blocks.give_back(&*self.queue));
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
        self.arena.lock().free(self.kind).0.entry(self.bytes).or_default().push(self.at);
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
    fn what_was_taken_apart_is_handed_out_again_only_so() {
        let arena = Arena::new(Arc::new(Stub::new()));
        let [input, at] =
            [arena.take_apart(512).unwrap(), arena.take(512).unwrap()].map(|buffer| buffer.at());
        assert_ne!(arena.take(1024).unwrap().at(), input);
        assert_eq!(arena.take(512).unwrap().at(), at);
        assert_eq!(arena.take_apart(512).unwrap().at(), input);
        arena.trim();
        assert_eq!(arena.held(), 0);
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
