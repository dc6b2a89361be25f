//! Memory of a thread that stays in its cache from one task to the next.

use std::cell::Cell;

/// A cache line, which scratch is aligned to.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// The most lines that a thread keeps when it does not use them: 8 MiB.
const KEPT: usize = 128 << 10;

thread_local! {
    static LINES: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Calls `work` with `len` elements, the first at the beginning of a cache line; what they hold is left from
/// earlier.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out while in use, so that a task which runs another inside gets its own.
    let mut lines = LINES.take();
    let wanted = len.div_ceil(LINE);
    if lines.len() < wanted {
        lines.resize(wanted, Line([0.0; LINE]));
    }
    // SAFETY: the vector holds at least `len` `f32`s without gaps, and nobody else refers to it.
    let result = work(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) });
    lines.truncate(KEPT);
    lines.shrink_to(KEPT);
    LINES.set(lines);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_aligned_and_may_be_nested() {
        with_scratch(5, |outer| {
            outer.fill(1.0);
            with_scratch(100, |inner| {
                assert_eq!((inner.len(), inner.as_ptr() as usize % 64), (100, 0));
                inner.fill(2.0);
            });
            assert_eq!(outer, [1.0; 5]);
        });
    }
}
