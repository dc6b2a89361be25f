//! The exponentials of a row of scores, which the product with V divides by their sum afterwards.

use crate::{math, simd::Simd};

/// Writes `exp(x - max)` over each `x` of a row; gives the sum of what it wrote.
///
/// # Safety
/// `len` elements may be read and written.
#[inline(always)]
pub(super) unsafe fn exponentials<S: Simd>(s: S, row: *mut f32, max: f32, len: usize) -> f32 {
    let max = s.splat(max);
    let mut sum = s.splat(0.0);
    let whole = len - len % S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole register from `at` on lies within `len`.
        unsafe {
            let e = math::exp(s, s.sub(s.load(row.add(at)), max));
            sum = s.add(sum, e);
            s.store(row.add(at), e);
        }
    }
    let mut sum = s.sum(sum);
    if whole < len {
        let mut rest = [0.0f32; MAX_LANES];
        // SAFETY: the rest is shorter than a register; `rest` holds the longest.
        unsafe {
            let e = math::exp(s, s.sub(s.load_first(row.add(whole), len - whole), max));
            s.store_first(row.add(whole), len - whole, e);
            s.store(rest.as_mut_ptr(), e);
        }
        sum += rest[..len - whole].iter().sum::<f32>();
    }
    sum
}

/// Lanes of the widest registers.
const MAX_LANES: usize = 16;

/// The largest of a row; minus infinity where there is none.
///
/// # Safety
/// `len` elements may be read.
#[inline(always)]
pub(super) unsafe fn largest<S: Simd>(s: S, from: *const f32, len: usize) -> f32 {
    let whole = len - len % S::LANES;
    let mut max = s.splat(f32::NEG_INFINITY);
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole register from `at` on lies within `len`.
        max = s.max(max, unsafe { s.load(from.add(at)) });
    }
    let mut max = s.largest(max);
    for at in whole..len {
        // SAFETY: `at < len`.
        max = max.max(unsafe { *from.add(at) });
    }
    max
}
