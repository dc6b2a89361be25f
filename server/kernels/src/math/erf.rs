//! The error function.

use super::polynomial;
use crate::simd::Simd;

/// erf x = x P(x^2) / Q(x^2); the quotient's relative error is 2.0e-8 before rounding (a minimax fit over
/// `0..=3.937`, beyond which the function rounds to 1).
#[inline(always)]
pub(super) fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    let magnitude = s.abs(x);
    let square = s.mul(x, x);
    let p = polynomial(
        s,
        square,
        [
            2.036_302_7e-6,
            2.847_617_4e-4,
            3.789_540_4e-3,
            5.281_985e-2,
            1.910_510_2e-1,
            std::f32::consts::FRAC_2_SQRT_PI,
        ],
    );
    let q = polynomial(
        s,
        square,
        [3.794_311e-5, 1.167_122_2e-3, 1.501_748_15e-2, 1.143_627_2e-1, 5.026_473e-1, 1.0],
    );
    let one = s.splat(1.0);
    let quotient = s.min(one, s.div(s.mul(magnitude, p), q));
    s.with_sign(s.where_less(s.splat(3.937), magnitude, one, quotient), x)
}
