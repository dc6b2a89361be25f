//! A result under construction, which the tasks of a convolution write at places of their own.

use crate::buffer::{self, Shared};

/// The elements of a result.
#[derive(Clone, Copy)]
pub(crate) struct Fresh {
    start: Shared<f32>,
    len: usize,
}

impl Fresh {
    /// Over memory that somebody else owns, for as long as they lend it.
    pub(crate) const fn over(lent: &mut [f32]) -> Self {
        Self { start: Shared(lent.as_mut_ptr()), len: lent.len() }
    }

    /// Element `at`, which may be written; one past the end may be named.
    #[inline(always)]
    pub(crate) fn at(self, at: usize) -> *mut f32 {
        debug_assert!(at <= self.len);
        self.start.at(at)
    }
}

/// A vector of `len` elements that `write` fills.
///
/// # Safety
/// `write` writes every element, and only these; no element from two threads.
pub(crate) unsafe fn filled(len: usize, write: impl FnOnce(Fresh)) -> Vec<f32> {
    // SAFETY: the caller promises that all elements are written.
    unsafe { buffer::filled(len, |out| write(Fresh { start: Shared(out.as_mut_ptr().cast()), len })) }
}
