//! What is done to a product's elements before they are stored.

use crate::{
    math::{Function, clip},
    simd::Simd,
};

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

    /// The same for one element: that of `column`, whose residual lies at `offset`.
    ///
    /// # Safety
    /// Bias and residual are null or readable there.
    #[inline(always)]
    pub(super) unsafe fn one(&self, sum: f32, column: usize, offset: usize) -> f32 {
        // SAFETY: the caller's.
        let read = |from: *const f32, i: usize| {
            if from.is_null() { 0.0 } else { unsafe { *from.wrapping_add(i) } }
        };
        let sum = sum + read(self.bias, column) + read(self.residual, offset);
        let low = if self.low > sum { self.low } else { sum };
        if self.high < low { self.high } else { low }
    }

    /// Adds the bias from `column` on to a vector, of which `left` lanes count, and the residual at `offset`,
    /// and clips.
    ///
    /// # Safety
    /// Bias and residual are null or have `left` elements there.
    #[inline(always)]
    pub(super) unsafe fn apply<S: Simd>(
        &self,
        s: S,
        sum: S::V,
        column: usize,
        offset: usize,
        left: usize,
    ) -> S::V {
        let mut sum = sum;
        // SAFETY: the caller's.
        unsafe {
            if !self.bias.is_null() {
                sum = s.add(sum, s.load_part(self.bias.wrapping_add(column), left));
            }
            if !self.residual.is_null() {
                sum = s.add(sum, s.load_part(self.residual.wrapping_add(offset), left));
            }
        }
        clip(s, sum, s.splat(self.low), s.splat(self.high))
    }
}
