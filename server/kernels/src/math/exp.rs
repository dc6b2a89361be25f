//! The exponential, and functions of it.

use super::polynomial;
use crate::simd::Simd;

/// e^x; 0 and infinity where it leaves the range of f32.
///
/// x = n ln 2 + r, |r| <= ln(2) / 2, and e^r by a polynomial: Cephes' `expf`.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    s.scale(exp_of_rest(s, rest(s, x, n)), n)
}

/// x - n ln 2. The first part of ln 2 has few bits, so that its product with n is exact.
#[inline(always)]
fn rest<S: Simd>(s: S, x: S::V, n: S::V) -> S::V {
    let r = s.fnma(n, s.splat(0.693_359_4), x);
    s.fnma(n, s.splat(-2.121_944_4e-4), r)
}

/// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2.
#[inline(always)]
fn tail<S: Simd>(s: S, r: S::V) -> S::V {
    polynomial(s, r, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5])
}

#[inline(always)]
fn exp_of_rest<S: Simd>(s: S, r: S::V) -> S::V {
    s.add(s.fma(s.mul(tail(s, r), r), r, r), s.splat(1.0))
}

/// e^x - 1 for x <= 0, without loss near 0.
#[inline(always)]
pub(super) fn exp_minus_1<S: Simd>(s: S, x: S::V) -> S::V {
    let small = s.fma(s.mul(tail(s, x), x), x, x);
    s.where_less(x, s.splat(-0.34), s.sub(exp(s, x), s.splat(1.0)), small)
}

/// 1 / (1 + e^-x), from e^-|x| so that neither end overflows or cancels.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let (one, zero) = (s.splat(1.0), s.splat(0.0));
    let e = exp(s, s.sub(zero, s.abs(x)));
    s.div(s.where_less(x, zero, e, one), s.add(one, e))
}

/// x sigmoid(scale x). The rounding of scale x, which the exponential would magnify, is made good.
#[inline(always)]
pub(super) fn silu<S: Simd>(s: S, x: S::V, scale: S::V) -> S::V {
    x_sigmoid(s, x, s.mul(x, scale), s.product_error(x, scale))
}

/// x sigmoid(u + error), for a small error; 0 at negative infinity.
#[inline(always)]
pub(super) fn x_sigmoid<S: Simd>(s: S, x: S::V, u: S::V, error: S::V) -> S::V {
    let (one, zero) = (s.splat(1.0), s.splat(0.0));
    let e = exp(s, s.sub(zero, s.abs(u)));
    let error = s.where_less(u, zero, error, s.sub(zero, error));
    // Where u is infinite its error is NaN, which the bounds take out.
    let bound = s.splat(1e-3);
    let error = s.min(s.max(error, s.sub(zero, bound)), bound);
    let e = s.fma(e, error, e);
    let share = s.div(s.where_less(u, zero, e, one), s.add(one, e));
    s.mul(s.max(s.splat(f32::MIN), x), share)
}

/// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), the second by the series of 2 artanh(z / (2 + z)).
#[inline(always)]
pub(super) fn softplus<S: Simd>(s: S, x: S::V) -> S::V {
    let zero = s.splat(0.0);
    let z = exp(s, s.sub(zero, s.abs(x)));
    let t = s.div(z, s.add(s.splat(2.0), z));
    let series = polynomial(s, s.mul(t, t), [0.140_891_68, 0.139_803, 0.200_124_55, 0.333_331_57, 1.0]);
    s.fma(s.add(t, t), series, s.max(zero, x))
}

/// x tanh(ln(1 + e^x)) = x q / (q + 2), q = e^x (e^x + 2).
#[inline(always)]
pub(super) fn mish<S: Simd>(s: S, x: S::V) -> S::V {
    let two = s.splat(2.0);
    // From here on the quotient is 1.
    let e = exp(s, s.min(s.splat(20.0), x));
    let q = s.mul(e, s.add(e, two));
    s.mul(s.max(s.splat(f32::MIN), x), s.div(q, s.add(q, two)))
}
