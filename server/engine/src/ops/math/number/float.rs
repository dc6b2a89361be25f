//! Floating-point numbers: f32 and f64 compute as themselves, f16 and bf16 as f32.

use half::{bf16, f16};

use super::{Number, exp};

/// The precisions that functions compute in: f32 and f64.
pub(crate) trait Float: Number<Wide = Self> + num_traits::Float {
    /// A constant of a formula.
    fn lit(value: f64) -> Self;
    /// The nearest integer; the even one where two are equally near.
    fn round_even(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// e to this power, within 2 units in the last place; loops over it vectorise for f32.
    fn exp_fast(self) -> Self;
    /// The hyperbolic tangent, within 5e-7 relative; loops over it vectorise for f32.
    fn tanh_fast(self) -> Self;

    /// The logistic function.
    fn sigmoid(self) -> Self {
        Self::lit(1.0) / (Self::lit(1.0) + (-self).exp_fast())
    }

    /// ln(1 + e^x), which does not overflow.
    fn softplus(self) -> Self {
        let zero = Self::lit(0.0);
        num_traits::Float::max(self, zero) + num_traits::Float::ln_1p((-num_traits::Float::abs(self)).exp())
    }
}

impl Float for f32 {
    fn lit(value: f64) -> Self {
        value as Self
    }

    fn round_even(self) -> Self {
        self.round_ties_even()
    }

    fn erf(self) -> Self {
        libm::erff(self)
    }

    #[inline(always)]
    fn exp_fast(self) -> Self {
        exp::exp(self)
    }

    #[inline(always)]
    fn tanh_fast(self) -> Self {
        exp::tanh(self)
    }
}

impl Float for f64 {
    fn lit(value: f64) -> Self {
        value
    }

    fn round_even(self) -> Self {
        self.round_ties_even()
    }

    fn erf(self) -> Self {
        libm::erf(self)
    }

    fn exp_fast(self) -> Self {
        self.exp()
    }

    fn tanh_fast(self) -> Self {
        self.tanh()
    }
}

macro_rules! floats {
    ($($type:ty as $wide:ty, $zero:expr, $one:expr, $widen:expr, $narrow:expr, $from:expr);* $(;)?) => {$(
        impl Number for $type {
            type Wide = $wide;
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const LOWEST: Self = Self::NEG_INFINITY;
            const HIGHEST: Self = Self::INFINITY;
            const IS_INT: bool = false;

            #[inline(always)]
            fn widen(self) -> $wide {
                $widen(self)
            }

            #[inline(always)]
            fn narrow(wide: $wide) -> Self {
                $narrow(wide)
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn from_f64(value: f64) -> Self {
                $from(value)
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self - other
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self * other
            }

            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self / other
            }

            fn rem(self, other: Self) -> Self {
                self % other
            }

            fn neg(self) -> Self {
                -self
            }

            fn abs(self) -> Self {
                Self::narrow(self.widen().abs())
            }

            fn sign(self) -> Self {
                if self > Self::ZERO {
                    Self::ONE
                } else if self < Self::ZERO {
                    -Self::ONE
                } else {
                    // 0 and NaN stay what they are.
                    self + Self::ZERO
                }
            }
        }
    )*};
}

floats! {
    f32 as f32, 0.0, 1.0, |v| v, |v| v, |v: f64| v as Self;
    f64 as f64, 0.0, 1.0, |v| v, |v| v, |v| v;
    f16 as f32, f16::ZERO, f16::ONE, f16::to_f32, f16::from_f32, f16::from_f64;
    bf16 as f32, bf16::ZERO, bf16::ONE, bf16::to_f32, bf16::from_f32, bf16::from_f64;
}
