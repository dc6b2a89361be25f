//! Normalisation of rows: to mean 0 and variance 1 (Ba et al. 2016, "Layer normalization"), or to a mean
//! square of 1 (Zhang and Sennrich 2019, "Root mean square layer normalization"), then scaled and shifted.
//! What is normalised may be a sum, which is added up row by row while it lies in the first cache.
//!
//! The variance is taken in a second pass over the row, so that large means cost no precision.

use std::ops::Range;

use crate::{
    Misfit,
    buffer::{Shared, filled},
    isa::Isa,
    pieces::pieces,
    simd::{Kernel, Simd, Spans, dispatch},
};

/// Elements worth a task of their own.
const TASK: usize = 16 * 1024;

/// What rows are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Mean 0 and variance 1.
    Moments,
    /// A mean square of 1.
    MeanSquare,
}

/// A normalisation of rows as long as its scale.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// What rows are brought to.
    pub to: To,
    /// Added to the variance or mean square.
    pub epsilon: f32,
    /// Multiplied with the normalised row.
    pub scale: &'a [f32],
    /// Added after that.
    pub shift: Option<&'a [f32]>,
}

/// What is normalised, rows one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Sum<'a> {
    /// The rows.
    pub input: &'a [f32],
    /// Added to them; begins again after its last row.
    pub other: Option<&'a [f32]>,
}

impl Norm<'_> {
    /// The rows of `input`, one after the other, normalised.
    ///
    /// # Errors
    /// Where lengths do not fit.
    pub fn apply(&self, input: &[f32]) -> Result<Vec<f32>, Misfit> {
        self.apply_to(Sum { input, other: None })
    }

    /// The rows of a sum, normalised.
    ///
    /// # Errors
    /// Where lengths do not fit.
    pub fn apply_to(&self, sum: Sum<'_>) -> Result<Vec<f32>, Misfit> {
        self.with(Isa::current(), sum)
    }

    fn with(&self, isa: Isa, sum: Sum<'_>) -> Result<Vec<f32>, Misfit> {
        self.check(&sum)?;
        let (len, width) = (sum.input.len(), self.scale.len().max(1));
        // SAFETY: the pieces make up all rows, each of which is written whole.
        let out = unsafe {
            filled(len, |out| {
                let out = Shared(out.as_mut_ptr().cast());
                pieces(len / width, TASK.div_ceil(width), &|rows| {
                    dispatch(isa, Rows { norm: *self, sum, rows, out });
                });
            })
        };
        Ok(out)
    }

    fn check(&self, sum: &Sum<'_>) -> Result<(), Misfit> {
        let (len, width) = (sum.input.len(), self.scale.len());
        let whole = if width == 0 { len == 0 } else { len.is_multiple_of(width) };
        if !whole {
            return Err(Misfit("the rows"));
        }
        let added = sum.other.map(<[f32]>::len);
        if len > 0 && added.is_some_and(|added| added == 0 || !added.is_multiple_of(width)) {
            return Err(Misfit("what is added"));
        }
        if self.shift.is_some_and(|shift| shift.len() != width) {
            return Err(Misfit("the shift"));
        }
        Ok(())
    }
}

/// Some rows.
struct Rows<'a> {
    norm: Norm<'a>,
    sum: Sum<'a>,
    rows: Range<usize>,
    out: Shared<f32>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let width = self.norm.scale.len();
        for row in self.rows.clone() {
            let at = row * width;
            let mut from = self.sum.input.as_ptr().wrapping_add(at);
            let to = self.out.at(at);
            // SAFETY: the row lies within the input and the output, and belongs to this piece alone; what is
            // added has whole rows, of which it begins again; the shift is as long as a row.
            unsafe {
                if let Some(other) = self.sum.other {
                    add(s, from, other.as_ptr().add(at % other.len()), to, width);
                    from = to;
                }
                normalise(s, &self.norm, from, to);
            }
        }
    }
}

/// Writes the sum of two rows.
///
/// # Safety
/// `len` elements may be read from `a` and `b` and written to `to`.
#[inline(always)]
unsafe fn add<S: Simd>(s: S, a: *const f32, b: *const f32, to: *mut f32, len: usize) {
    for (at, left) in Spans::of(s, len) {
        // SAFETY: `left` elements are there from `at` on.
        unsafe {
            s.store_part(to.add(at), left, s.add(s.load_part(a.add(at), left), s.load_part(b.add(at), left)))
        }
    }
}

/// # Safety
/// A row as long as the scale, which is the shift's length, may be read from `from` and written to `to`, which
/// may be the same place.
#[inline(always)]
unsafe fn normalise<S: Simd>(s: S, norm: &Norm<'_>, from: *const f32, to: *mut f32) {
    let width = norm.scale.len();
    let count = width as f32;
    // SAFETY: `sum_of` and the loads touch at most `width` elements.
    unsafe {
        let mean = match norm.to {
            To::Moments => sum_of(s, from, width, None) / count,
            To::MeanSquare => 0.0,
        };
        let variance = sum_of(s, from, width, Some(mean)) / count;
        let (mean, factor) = (s.splat(mean), s.splat(1.0 / (variance + norm.epsilon).sqrt()));
        for at in (0..width).step_by(S::LANES) {
            let left = width - at;
            let value = s.mul(s.sub(s.load_first(from.add(at), left), mean), factor);
            let scale = s.load_first(norm.scale.as_ptr().add(at), left);
            let value = match norm.shift {
                Some(shift) => s.fma(value, scale, s.load_first(shift.as_ptr().add(at), left)),
                None => s.mul(value, scale),
            };
            s.store_first(to.add(at), left, value);
        }
    }
}

/// The sum of a row, or of the squares of its distances from `around`.
///
/// # Safety
/// `len` elements may be read.
#[inline(always)]
unsafe fn sum_of<S: Simd>(s: S, from: *const f32, len: usize, around: Option<f32>) -> f32 {
    let mut sums = [s.splat(0.0); 2];
    let mean = s.splat(around.unwrap_or(0.0));
    let whole = len - len % S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole register from `at` on lies within `len`.
        let value = unsafe { s.load(from.add(at)) };
        let [first, second] = sums;
        let next = if around.is_some() {
            let distance = s.sub(value, mean);
            s.fma(distance, distance, first)
        } else {
            s.add(value, first)
        };
        sums = [second, next];
    }
    let mut sum = s.sum(s.add(sums[0], sums[1]));
    for at in whole..len {
        // SAFETY: `at < len`.
        let value = unsafe { *from.add(at) };
        sum += around.map_or(value, |mean| (value - mean) * (value - mean));
    }
    sum
}

#[cfg(test)]
mod tests;
