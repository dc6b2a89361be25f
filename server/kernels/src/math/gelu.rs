//! GELU in both forms, exact far into the negative tail, where 1 + erf or 1 + tanh would cancel.

use super::{
    exp::{Power, x_sigmoid},
    polynomial,
};
use crate::simd::Simd;

/// x Phi(x). For |x| < 1 Phi is 1/2 + x S(x^2), which is exact near 0; beyond, x Phi(x) is max(x, 0) - y with
/// y = |x| Phi(-|x|) = e^(-x^2 / 2) F(|x|). F grows from 0.26 to 1 / sqrt(2 pi), below which it is by a quotient of
/// polynomials that soon is small. Minimax fits: S over `0..=1` to 4.7e-8, F over `1..=14.5`, beyond which y is 0,
/// to 3.7e-8.
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    const LIMIT: f32 = 0.398_942_3;
    let a = s.min(s.splat(14.5), s.abs(x));
    let square = s.mul(a, a);
    let near = [9.423_533_6e-5, -1.169_351_9e-3, 9.967_201e-3, -6.648_958_5e-2, 3.989_422_6e-1];
    let near = polynomial(s, square, near);
    let p = polynomial(s, a, [-3.937_145_3e-6, 3.443_553_3e-2, 1.643_860_6e-1, 3.982_285_3e-1]);
    let q = polynomial(s, a, [8.589_405_6e-2, 4.194_751e-1, 1.185_277_8, 1.655_806_4, 1.0]);
    let share = s.sub(s.splat(LIMIT), s.div(p, q));
    let half = s.mul(a, s.splat(-0.5));
    let power = Power::of(s, s.mul(half, a), s.product_error(half, a));
    let far = s.sub(s.max(s.splat(0.0), x), power.times(s, share));
    let x = s.max(s.splat(f32::MIN), x);
    s.where_less(a, s.splat(1.0), s.mul(x, s.fma(x, near, s.splat(0.5))), far)
}

/// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) = x sigmoid(x (B + C x^2)).
#[inline(always)]
pub(super) fn gelu_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    /// 2 sqrt(2 / pi) as the sum of two f32, and the product with 0.044715 likewise.
    const B: (f32, f32) = (1.595_769_2, -4.534_068e-8);
    const C: (f32, f32) = (7.135_481_4e-2, 2.398_832_4e-9);
    // Beyond these the sigmoid is 0 or 1, and nothing overflows.
    let near = s.min(s.splat(16.0), s.max(s.splat(-16.0), x));
    let (b, c) = (s.splat(B.0), s.splat(C.0));
    let square = s.mul(near, near);
    let cubic = s.mul(c, square);
    let sum = s.add(cubic, b);
    let lost = s.add(sum_error(s, cubic, b), s.product_error(c, square));
    let lost = s.add(s.fma(c, s.product_error(near, near), lost), s.fma(s.splat(C.1), square, s.splat(B.1)));
    let u = s.mul(near, sum);
    x_sigmoid(s, x, u, s.fma(near, lost, s.product_error(near, sum)))
}

/// What rounding takes from a sum: `a + b - round(a + b)`, exactly (Knuth's two-sum).
#[inline(always)]
fn sum_error<S: Simd>(s: S, a: S::V, b: S::V) -> S::V {
    let sum = s.add(a, b);
    let from_b = s.sub(sum, a);
    s.add(s.sub(a, s.sub(sum, from_b)), s.sub(b, from_b))
}
