//! From a finished tile to the result: what was there is added to, or bias, residual and bounds follow.

use std::mem::MaybeUninit;

use crate::simd::{Kernel, Simd, Spans};

use super::epilogue::Finish;

/// The most elements of a tile.
pub(super) const TILE: usize = 384;

/// A tile that has left the registers, row by row; no more of it than the tile has is written.
#[repr(align(64))]
pub(super) struct Kept(pub(super) MaybeUninit<[f32; TILE]>);

/// The store of one tile. Rows, columns and places are within the result.
#[derive(Clone, Copy)]
pub(super) struct Store<'a> {
    pub(super) tile: &'a Kept,
    /// Columns of the tile, of which `columns` are the result's.
    pub(super) width: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// What follows the last block of the depth.
    pub(super) finish: Option<&'a Finish>,
    /// Whether the result holds nothing of the blocks before.
    pub(super) first: bool,
    /// The tile's first column.
    pub(super) column: usize,
    /// Where the tile goes, and how far that is from the result's beginning.
    pub(super) out: *mut f32,
    pub(super) offset: usize,
    pub(super) stride: usize,
}

impl Kernel for Store<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for i in 0..self.rows {
            let (out, offset) = (self.out.wrapping_add(i * self.stride), self.offset + i * self.stride);
            let tile = self.tile.0.as_ptr().cast::<f32>().wrapping_add(i * self.width);
            for (j, left) in Spans::of(s, self.columns) {
                // SAFETY: the tile has whole vectors, and the result, bias and residual these columns.
                unsafe {
                    let mut sum = s.load(tile.wrapping_add(j));
                    if !self.first {
                        sum = s.add(sum, s.load_part(out.wrapping_add(j), left));
                    }
                    if let Some(finish) = self.finish {
                        sum = finish.apply(s, sum, self.column + j, offset + j, left);
                    }
                    s.store_part(out.wrapping_add(j), left, sum);
                }
            }
        }
    }
}
