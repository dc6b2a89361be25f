//! The error function.

use super::{exp::power_of_2, polynomial};
use crate::simd::Simd;

/// erf x: for |x| < 0.9 x + x P(x^2); beyond, 1 - 2^L(|x|), of which the second part is at most 0.21, so that its
/// rounding counts little. Minimax fits, of relative error 1.2e-8 and 2.8e-8 before rounding.
#[inline(always)]
pub(super) fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    // From here on the function rounds to 1.
    let a = s.min(s.splat(3.94), s.abs(x));
    let square = s.mul(a, a);
    let p = [-6.090_358_4e-4, 5.011_962_7e-3, -2.677_890_7e-2, 1.128_214_1e-1, -3.761_252e-1, 1.283_791_7e-1];
    let near = s.fma(polynomial(s, square, p), a, a);
    let l = [-1.819_802e-3, 2.258_191_4e-2, -1.317_510_2e-1, -9.384_063e-1, -1.616_392_5, -2.628_942e-3];
    let far = s.sub(s.splat(1.0), power_of_2(s, polynomial(s, a, l)));
    s.with_sign(s.where_less(a, s.splat(0.9), near, far), x)
}
