//! The hyperbolic tangent.

use super::polynomial;
use crate::simd::Simd;

/// tanh x = x P(x^2) / Q(x^2); the quotient's relative error is 2.1e-8 before rounding (a minimax fit over
/// `0..=9.02`, beyond which the tangent rounds to 1).
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let magnitude = s.abs(x);
    let square = s.mul(x, x);
    let p = polynomial(s, square, [1.330_518_2e-8, 2.057_350_7e-5, 3.493_428_7e-3, 1.337_920_9e-1, 1.0]);
    let q = polynomial(s, square, [7.756_35e-7, 3.282_102e-4, 2.586_877e-2, 4.671_252_4e-1, 1.0]);
    let one = s.splat(1.0);
    let quotient = s.min(one, s.div(s.mul(magnitude, p), q));
    s.with_sign(s.where_less(s.splat(9.02), magnitude, one, quotient), x)
}
