//! Softmax of rows: e^(x - max) over its sum, so that nothing overflows.

use std::mem::MaybeUninit;

use crate::{
    Misfit, buffer,
    isa::Isa,
    math,
    simd::{Kernel, Simd, Spans, dispatch},
};

/// The softmax of each row of `row` elements. A row with NaN, or of nothing but negative infinities, is NaN.
///
/// # Errors
/// Where the rows do not make up the data.
pub fn softmax(isa: Isa, data: &[f32], row: usize) -> Result<Vec<f32>, Misfit> {
    by_rows(isa, data, row, false)
}

/// The logarithm of [`softmax`].
///
/// # Errors
/// Where the rows do not make up the data.
pub fn log_softmax(isa: Isa, data: &[f32], row: usize) -> Result<Vec<f32>, Misfit> {
    by_rows(isa, data, row, true)
}

fn by_rows(isa: Isa, data: &[f32], row: usize, log: bool) -> Result<Vec<f32>, Misfit> {
    /// The fewest elements for which a task is worth its hand-over.
    const LEAST: usize = 8 << 10;
    let row = row.max(1);
    if !data.len().is_multiple_of(row) {
        return Err(Misfit("the rows"));
    }
    let fill = |begin: usize, to: &mut [MaybeUninit<f32>]| {
        for (from, to) in data[begin..begin + to.len()].chunks_exact(row).zip(to.chunks_exact_mut(row)) {
            dispatch(isa, Row { from: from.as_ptr(), to: to.as_mut_ptr().cast(), len: row, log });
        }
    };
    // SAFETY: the chunks are of whole rows, and each row is written.
    Ok(unsafe { buffer::filled_by_chunks(data.len(), LEAST.div_ceil(row) * row, &fill) })
}

/// One row of `len` elements, from one slice to another or in place.
pub(crate) struct Row {
    pub(crate) from: *const f32,
    pub(crate) to: *mut f32,
    pub(crate) len: usize,
    pub(crate) log: bool,
}

impl Kernel for Row {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let max = self.largest(s);
        let sum = self.exponentials(s, max);
        // 1 and 0 leave the other's part out.
        let (factor, offset) = if self.log { (1.0, max + sum.ln()) } else { (1.0 / sum, 0.0) };
        let (factor, offset) = (s.splat(factor), s.splat(offset));
        let from = if self.log { self.from } else { self.to };
        for (i, left) in Spans::of(s, self.len) {
            // SAFETY: within the row.
            unsafe {
                let x = s.load_part(from.wrapping_add(i), left);
                s.store_part(self.to.wrapping_add(i), left, s.mul(s.sub(x, offset), factor));
            }
        }
    }
}

impl Row {
    #[inline(always)]
    fn largest<S: Simd>(&self, s: S) -> f32 {
        let mut max = s.splat(f32::NEG_INFINITY);
        for (i, left) in Spans::of(s, self.len) {
            let at = self.from.wrapping_add(i);
            // SAFETY: within the row.
            let x = unsafe { if left >= S::LANES { s.load(at) } else { s.splat(self.largest_from(i)) } };
            max = s.max(x, max);
        }
        s.largest(max)
    }

    /// The largest element from `begin` on.
    fn largest_from(&self, begin: usize) -> f32 {
        // SAFETY: within the row.
        (begin..self.len).fold(f32::NEG_INFINITY, |max, i| max.max(unsafe { *self.from.wrapping_add(i) }))
    }

    /// The sum of e^(x - max); all summands are kept where the row becomes them.
    #[inline(always)]
    fn exponentials<S: Simd>(&self, s: S, max: f32) -> f32 {
        let (max, mut sum) = (s.splat(max), s.splat(0.0));
        for (i, left) in Spans::of(s, self.len) {
            // SAFETY: within the row.
            let x = unsafe { s.load_part(self.from.wrapping_add(i), left) };
            let e = math::exp(s, s.sub(x, max));
            if !self.log {
                // SAFETY: within the row.
                unsafe { s.store_part(self.to.wrapping_add(i), left, e) };
            }
            sum = s.add(sum, if left >= S::LANES { e } else { only_first(s, e, left) });
        }
        s.sum(sum)
    }
}

/// 0 in the lanes from `n` on.
#[inline(always)]
fn only_first<S: Simd>(s: S, v: S::V, n: usize) -> S::V {
    let mut lanes = [0.0f32; 16];
    // SAFETY: no vector has more than 16 lanes.
    unsafe {
        s.store_first(lanes.as_mut_ptr(), n, v);
        s.load(lanes.as_ptr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(row: &[f32]) -> Vec<f64> {
        let max = row.iter().fold(f64::NEG_INFINITY, |max, &x| max.max(f64::from(x)));
        let sum: f64 = row.iter().map(|&x| (f64::from(x) - max).exp()).sum();
        row.iter().map(|&x| (f64::from(x) - max).exp() / sum).collect()
    }

    #[test]
    fn rows_of_any_length_are_near() {
        for isa in Isa::available() {
            for row in [1, 3, 4, 7, 16, 17, 40, 129] {
                let data: Vec<f32> = (0..3 * row).map(|i| ((i * 37) % 101) as f32 * 0.3 - 11.0).collect();
                let (soft, log) = (softmax(isa, &data, row).unwrap(), log_softmax(isa, &data, row).unwrap());
                for (i, expected) in data.chunks(row).flat_map(exact).enumerate() {
                    assert!((f64::from(soft[i]) - expected).abs() <= 4e-6 * expected, "{isa:?} {row}");
                    assert!((f64::from(log[i]) - expected.ln()).abs() <= 1e-5, "{isa:?} {row}");
                }
            }
        }
    }

    #[test]
    fn extremes() {
        for isa in Isa::available() {
            let low = f32::NEG_INFINITY;
            assert_eq!(softmax(isa, &[1e30, low, 3e38], 3).unwrap(), [0.0, 0.0, 1.0]);
            assert!(softmax(isa, &[low, low], 2).unwrap().iter().all(|x| x.is_nan()));
            assert!(softmax(isa, &[1.0, f32::NAN, 2.0], 3).unwrap().iter().all(|x| x.is_nan()));
            assert_eq!(softmax(isa, &[], 0).unwrap(), []);
            assert_eq!(softmax(isa, &[1.0; 3], 2), Err(Misfit("the rows")));
        }
    }
}
