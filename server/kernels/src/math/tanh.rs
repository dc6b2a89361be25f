//! The hyperbolic tangent.

use super::{exp::power_of_2, polynomial};
use crate::simd::Simd;

/// tanh x: for |x| < 0.55 x + x^3 P(x^2), of relative error 3.9e-8 before rounding (a minimax fit); beyond,
/// 1 - 2 / (1 + e^(2 |x|)), of which the second part is at most 0.5, so that its rounding counts little.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    // From here on the tangent rounds to 1.
    let a = s.min(s.splat(9.02), s.abs(x));
    let square = s.mul(a, a);
    let p = [1.645_877_2e-2, -5.268_411e-2, 1.332_094_5e-1, -3.333_296e-1];
    let near = s.fma(s.mul(polynomial(s, square, p), square), a, a);
    let power = power_of_2(s, s.mul(a, s.splat(2.0 * std::f32::consts::LOG2_E)));
    let far = s.sub(one, s.div(s.splat(2.0), s.add(one, power)));
    s.with_sign(s.where_less(a, s.splat(0.55), near, far), x)
}
