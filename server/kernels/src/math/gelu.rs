//! GELU in both forms, exact far into the negative tail, where 1 + erf or 1 + tanh would cancel.

use super::{exp::exp, exp::x_sigmoid, polynomial};
use crate::simd::Simd;

/// x Phi(x), Phi(-|x|) = e^(-x^2 / 2) G(|x|): G falls smoothly from 1/2, and is a polynomial of
/// t = 1 / (1 + 0.3 |x|) to 3.7e-8 (a minimax fit over `0..=14.5`, beyond which Phi(-|x|) is 0).
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, zero) = (s.splat(1.0), s.splat(0.0));
    let a = s.min(s.splat(14.5), s.abs(x));
    let t = s.div(one, s.fma(a, s.splat(0.3), one));
    let g = polynomial(
        s,
        t,
        [
            -3.836_268e-3,
            5.827_443_3e-2,
            -2.136_303e-1,
            2.847_169_3e-1,
            -1.203_290_4e-1,
            1.645_099_4e-1,
            8.763_187_4e-2,
            1.233_141_8e-1,
            1.193_338_9e-1,
            1.438_388_7e-5,
        ],
    );
    let half = s.mul(a, s.splat(-0.5));
    let e = exp(s, s.mul(half, a));
    // The exponential magnifies the rounding of its argument; it is made good here.
    let e = s.fma(e, s.product_error(half, a), e);
    let below = s.mul(e, g);
    let x = s.max(s.splat(f32::MIN), x);
    s.mul(x, s.where_less(x, zero, below, s.sub(one, below)))
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
