//! What is done to a product's elements before they are stored.

use crate::{
    math::{Function, clip},
    simd::Simd,
};

use super::tile::Tile;

/// `activation(product + bias + residual)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One number for each column.
    pub bias: Option<&'a [f32]>,
    /// One number for each element of the result, laid out as the result.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Option<Function>,
}

/// An epilogue as the store wants it. `bias` and `residual` may be null.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub(super) bias: *const f32,
    pub(super) residual: *const f32,
    /// Bounds, which are cheap enough to apply to every element.
    pub(super) low: f32,
    pub(super) high: f32,
    /// Every other activation: applied to a tile that is just stored.
    pub(super) after: Option<Function>,
}

impl Finish {
    pub(super) fn new(epilogue: &Epilogue<'_>) -> Self {
        let pointer = |numbers: Option<&[f32]>| numbers.map_or(std::ptr::null(), <[f32]>::as_ptr);
        let (low, high, after) = match epilogue.activation {
            Some(Function::Clip { low, high }) => (low, high, None),
            after => (f32::NEG_INFINITY, f32::INFINITY, after),
        };
        Self { bias: pointer(epilogue.bias), residual: pointer(epilogue.residual), low, high, after }
    }

    /// Adds the bias of `columns` columns from `column` on to a tile, and the residual that lies at `offset`
    /// with `stride` between rows, and clips.
    ///
    /// # Safety
    /// Bias and residual are null or readable there.
    #[inline(always)]
    pub(super) unsafe fn apply<S: Simd, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: S,
        tile: &mut Tile<S, VECTORS, ROWS>,
        (column, columns): (usize, usize),
        (offset, stride): (usize, usize),
    ) {
        let (low, high) = (s.splat(self.low), s.splat(self.high));
        for j in 0..VECTORS {
            let left = columns.saturating_sub(j * S::LANES);
            let bias = self.bias.wrapping_add(column + j * S::LANES);
            // SAFETY: the caller's; no more than the tile's columns are read.
            let bias = if self.bias.is_null() { s.splat(0.0) } else { unsafe { s.load_part(bias, left) } };
            for (i, row) in tile.iter_mut().enumerate() {
                let mut sum = s.add(row[j], bias);
                if !self.residual.is_null() {
                    let residual = self.residual.wrapping_add(offset + i * stride + j * S::LANES);
                    // SAFETY: as above.
                    sum = s.add(sum, unsafe { s.load_part(residual, left) });
                }
                row[j] = clip(s, sum, low, high);
            }
        }
    }
}
