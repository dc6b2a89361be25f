//! A head's keys and values as panels: blocks of columns whose rows follow each other without gaps.

use crate::simd::Simd;

/// A head's rows in memory.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// The first row.
    pub(super) start: *const f32,
    /// Elements from one row to the next.
    pub(super) stride: usize,
    /// Rows.
    pub(super) rows: usize,
    /// Elements of a row.
    pub(super) columns: usize,
}

/// Packs K^T: panel `p` holds, for each column of K, that of `panel` keys from `p * panel` on; keys that are
/// not there are 0.
///
/// # Safety
/// The head may be read; `to` takes as many panels as cover its rows.
#[inline(always)]
pub(super) unsafe fn transposed(head: Head, panel: usize, to: *mut f32) {
    for first in (0..head.rows).step_by(panel) {
        let there = panel.min(head.rows - first);
        // SAFETY: panels before this one take `first` keys of `columns` elements each; within it, column `c`
        // of key `k` has its own place, and keys are read only where they are there.
        unsafe {
            let to = to.add(first * head.columns);
            for k in 0..there {
                let from = head.start.add((first + k) * head.stride);
                for c in 0..head.columns {
                    *to.add(c * panel + k) = *from.add(c);
                }
            }
            for c in 0..head.columns {
                std::ptr::write_bytes(to.add(c * panel + there), 0, panel - there);
            }
        }
    }
}

/// Packs V: panel `p` holds, for each row, `panel` columns from `p * panel` on; columns that are not there
/// are 0.
///
/// # Safety
/// The head may be read; `to` takes as many panels as cover its columns; `panel` is a multiple of the lanes.
#[inline(always)]
pub(super) unsafe fn straight<S: Simd>(s: S, head: Head, panel: usize, to: *mut f32) {
    for first in (0..head.columns).step_by(panel) {
        for row in 0..head.rows {
            // SAFETY: panels before this one take `first` columns of `rows` elements each; a row takes
            // `panel`, and no more than its columns are read.
            unsafe {
                let to = to.add(first * head.rows + row * panel);
                let from = head.start.add(row * head.stride + first);
                for at in (0..panel).step_by(S::LANES) {
                    let left = (head.columns - first).saturating_sub(at);
                    s.store(to.add(at), s.load_first(from.wrapping_add(at), left));
                }
            }
        }
    }
}
