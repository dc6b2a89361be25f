//! Work over pieces of slices: safe ways to let each task write its own part.

use std::marker::PhantomData;

/// A slice that tasks cut pieces from.
struct Pieces<'a, T> {
    start: *mut T,
    len: usize,
    chunk: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: `Pieces` hands out disjoint parts of one exclusively borrowed slice, each to one task only (see
// `get`); `T: Send` lets another thread write them.
unsafe impl<T: Send> Sync for Pieces<'_, T> {}

impl<'a, T> Pieces<'a, T> {
    fn new(slice: &'a mut [T], chunk: usize) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), chunk: chunk.max(1), slice: PhantomData }
    }

    fn count(&self) -> usize {
        self.len.div_ceil(self.chunk)
    }

    /// Piece `index` of `chunk` elements; the last may be shorter, one beyond it is empty.
    ///
    /// # Safety
    /// No two pieces of one index may be alive at once.
    #[allow(clippy::mut_from_ref, reason = "pieces of different indices are disjoint")]
    unsafe fn get(&self, index: usize) -> &mut [T] {
        let begin = index.saturating_mul(self.chunk).min(self.len);
        let len = self.chunk.min(self.len - begin);
        // SAFETY: `begin + len <= self.len`, and pieces of different indices do not overlap.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(begin), len) }
    }
}

/// Calls `work` with each piece of `chunk` elements of `data` (the last may be shorter) and its number, spread
/// over the current pool's threads.
pub fn chunks<T: Send>(data: &mut [T], chunk: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let pieces = Pieces::new(data, chunk);
    // SAFETY: `run` gives each index to one task, once.
    super::run(pieces.count(), &|i| work(i, unsafe { pieces.get(i) }));
}

/// As [`chunks`], with pieces of two slices side by side: piece `i` of `left` and piece `i` of `right`. There
/// are as many as `left` has; those that `right` lacks are empty.
pub fn chunks2<T: Send, U: Send>(
    (left, left_chunk): (&mut [T], usize),
    (right, right_chunk): (&mut [U], usize),
    work: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    let (left, right) = (Pieces::new(left, left_chunk), Pieces::new(right, right_chunk));
    // SAFETY: `run` gives each index to one task, once.
    super::run(left.count(), &|i| unsafe { work(i, left.get(i), right.get(i)) });
}
