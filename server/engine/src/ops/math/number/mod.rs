//! Arithmetic on the Rust types of tensor elements, with ONNX's rules where Rust's differ: integers wrap,
//! f16 and bf16 compute in f32, maxima and minima keep NaN.

mod exp;
mod float;
mod int;

pub(crate) use float::Float;

use crate::value::Element;

/// A numeric element.
pub(crate) trait Number: Element + Copy + PartialOrd {
    /// What sums of it are kept in.
    type Wide: Number;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// What no element is below: minus infinity, or the least integer.
    const LOWEST: Self;
    /// What no element is above: infinity, or the greatest integer.
    const HIGHEST: Self;
    /// Whether dividing by zero has no answer.
    const IS_INT: bool;

    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
    fn to_f64(self) -> f64;
    /// Integers take the integer part, and saturate.
    fn from_f64(value: f64) -> Self;

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// Integers truncate; an integer divided by 0 gives 0 (operators refuse it before).
    fn div(self, other: Self) -> Self;
    /// The remainder with the sign of `self`; by an integer 0 it is 0.
    fn rem(self, other: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    /// -1, 0 or 1, or NaN.
    fn sign(self) -> Self;

    /// The remainder with the sign of `other`.
    fn modulo(self, other: Self) -> Self {
        let rem = self.rem(other);
        let differs = rem != Self::ZERO && (rem < Self::ZERO) != (other < Self::ZERO);
        if differs { rem.add(other) } else { rem }
    }

    /// The greater; NaN where either is.
    #[allow(clippy::eq_op)]
    fn maximum(self, other: Self) -> Self {
        if self > other || self != self { self } else { other }
    }

    /// The lesser; NaN where either is.
    #[allow(clippy::eq_op)]
    fn minimum(self, other: Self) -> Self {
        if self < other || self != self { self } else { other }
    }
}

/// A floating-point element, which computes as a [`Float`].
pub(crate) trait Real: Number<Wide: Float> {}

impl<T: Number<Wide: Float>> Real for T {}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn integers_wrap_and_never_panic() {
        assert_eq!(Number::add(i8::MAX, 1), i8::MIN);
        assert_eq!(Number::div(i64::MIN, -1), i64::MIN);
        assert_eq!(Number::div(7u8, 0), 0);
        assert_eq!(Number::rem(i32::MIN, -1), 0);
        assert_eq!(Number::abs(i8::MIN), i8::MIN);
        assert_eq!(Number::neg(1u8), 255);
    }

    #[test]
    fn the_two_remainders_differ_by_sign() {
        for (a, b, modulo, rem) in [(-4, 3, 2, -1), (4, -3, -2, 1), (5, 5, 0, 0), (-7, -3, -1, -1)] {
            assert_eq!((a.modulo(b), Number::rem(a, b)), (modulo, rem), "{a} by {b}");
        }
    }

    #[test]
    fn maxima_keep_nan() {
        assert!(Number::maximum(f32::NAN, 1.0).is_nan());
        assert!(Number::minimum(1.0, f32::NAN).is_nan());
        assert!(Number::maximum(f16::NAN, f16::ONE).is_nan());
        assert_eq!((Number::maximum(2.0, 3.0), Number::minimum(2.0, 3.0)), (3.0, 2.0));
    }
}
