//! Vectors that kernels write whole, so that nobody fills them with zeros first; the one place where memory
//! that was never written becomes a vector.

/// A new vector under construction, which tasks write at different places.
#[derive(Clone, Copy)]
pub(crate) struct Fresh {
    start: *mut f32,
    len: usize,
}

// SAFETY: only a pointer; whoever writes through it promises that tasks write different elements.
unsafe impl Send for Fresh {}
// SAFETY: as above.
unsafe impl Sync for Fresh {}

impl Fresh {
    /// Over memory that somebody else owns, for as long as they lend it.
    pub(crate) const fn over(lent: &mut [f32]) -> Self {
        Self { start: lent.as_mut_ptr(), len: lent.len() }
    }

    /// Element `at`, which may be written; one past the end may be named.
    #[inline(always)]
    pub(crate) fn at(self, at: usize) -> *mut f32 {
        debug_assert!(at <= self.len);
        self.start.wrapping_add(at)
    }
}

/// A vector of `len` elements that `write` fills.
///
/// # Safety
/// `write` writes every element, and only these; no element from two threads.
pub(crate) unsafe fn filled(len: usize, write: impl FnOnce(Fresh)) -> Vec<f32> {
    let mut made = Vec::with_capacity(len);
    write(Fresh { start: made.as_mut_ptr(), len });
    // SAFETY: the capacity is `len`, and the caller promises that all of it is written.
    unsafe { made.set_len(len) }
    made
}
