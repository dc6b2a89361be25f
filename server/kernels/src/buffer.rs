//! Memory that a kernel writes as a whole, and so is not filled with zeros first.

use std::mem::MaybeUninit;

use crate::pool;

/// A vector of `len` elements, all of them written by `fill`.
///
/// # Safety
/// `fill` writes every element.
pub unsafe fn filled<T: Copy>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut elements = Vec::with_capacity(len);
    fill(&mut elements.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller promises that all are written.
    unsafe { elements.set_len(len) };
    elements
}

/// As [`filled`], chunk by chunk on the pool's threads; `fill` gets where the chunk begins.
///
/// # Safety
/// `fill` writes every element of its chunk.
pub unsafe fn filled_by_chunks<T: Copy + Send>(
    len: usize,
    chunk: usize,
    fill: &(dyn Fn(usize, &mut [MaybeUninit<T>]) + Sync),
) -> Vec<T> {
    let chunk = chunk.max(1);
    let write = |all: &mut [MaybeUninit<T>]| {
        pool::chunks(all, chunk, |index, part| fill(index * chunk, part));
    };
    // SAFETY: the chunks make up the whole, and the caller promises that each is written.
    unsafe { filled(len, write) }
}

/// The beginning of memory that tasks write disjoint parts of.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(pub(crate) *mut T);

// SAFETY: a pointer; who writes through it vouches that no two threads write the same place.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The place of element `i`; not within bounds unless the caller sees to it.
    #[inline(always)]
    pub(crate) fn at(self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_make_up_the_whole() {
        let fill = |begin: usize, part: &mut [MaybeUninit<usize>]| {
            part.iter_mut().enumerate().for_each(|(i, to)| {
                to.write(begin + i);
            });
        };
        for (len, chunk) in [(0, 4), (10, 4), (8, 4), (3, 0), (3, 100)] {
            // SAFETY: `fill` writes all of its chunk.
            let all = unsafe { filled_by_chunks(len, chunk, &fill) };
            assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
    }
}
