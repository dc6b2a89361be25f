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

/// 2^x for x in -126..=126: a minimax fit between the integers, of relative error 1.2e-7 before rounding.
#[inline(always)]
pub(super) fn power_of_2<S: Simd>(s: S, x: S::V) -> S::V {
    let n = s.round(x);
    let rest = s.sub(x, n);
    let p = [1.326_468_5e-3, 9.671_509e-3, 5.550_720_5e-2, 2.402_224_4e-1, 6.931_469_4e-1];
    s.scale_near(s.fma(polynomial(s, rest, p), rest, s.splat(1.0)), n)
}

/// A power of e, (1 + `beyond`) 2^`n`, before it is rounded to one number.
pub(super) struct Power<V> {
    beyond: V,
    n: V,
}

impl<V: Copy> Power<V> {
    /// e^(x + error), for an error so small that it does not change which power of two is nearest.
    #[inline(always)]
    pub(super) fn of<S: Simd<V = V>>(s: S, x: V, error: V) -> Self {
        let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
        let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
        let r = s.add(rest(s, x, n), error);
        Self { beyond: s.fma(s.mul(tail(s, r), r), r, r), n }
    }

    /// Its product with `factor`.
    #[inline(always)]
    pub(super) fn times<S: Simd<V = V>>(&self, s: S, factor: V) -> V {
        s.scale(s.fma(self.beyond, factor, factor), self.n)
    }

    /// As one number.
    #[inline(always)]
    pub(super) fn value<S: Simd<V = V>>(&self, s: S) -> V {
        s.scale(s.add(self.beyond, s.splat(1.0)), self.n)
    }
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
    let error = s.where_less(u, zero, error, s.sub(zero, error));
    // Where u is infinite its error is NaN, which the bounds take out.
    let bound = s.splat(1e-3);
    let error = s.min(s.max(error, s.sub(zero, bound)), bound);
    let e = Power::of(s, s.sub(zero, s.abs(u)), error).value(s);
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
