//! Integers, which wrap.

use super::Number;

macro_rules! integers {
    ($($type:ty: $neg:expr, $abs:expr, $sign:expr);* $(;)?) => {$(
        impl Number for $type {
            type Wide = Self;
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = Self::MIN;
            const HIGHEST: Self = Self::MAX;
            const IS_INT: bool = true;

            fn widen(self) -> Self {
                self
            }

            fn narrow(wide: Self) -> Self {
                wide
            }

            fn to_f64(self) -> f64 {
                self as f64
            }

            fn from_f64(value: f64) -> Self {
                value as Self
            }

            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            fn div(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }

            fn rem(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }

            fn neg(self) -> Self {
                $neg(self)
            }

            fn abs(self) -> Self {
                $abs(self)
            }

            fn sign(self) -> Self {
                $sign(self)
            }
        }
    )*};
}

integers! {
    i8: Self::wrapping_neg, Self::wrapping_abs, Self::signum;
    i16: Self::wrapping_neg, Self::wrapping_abs, Self::signum;
    i32: Self::wrapping_neg, Self::wrapping_abs, Self::signum;
    i64: Self::wrapping_neg, Self::wrapping_abs, Self::signum;
    u8: Self::wrapping_neg, |v| v, |v| Self::from(v != 0);
    u16: Self::wrapping_neg, |v| v, |v| Self::from(v != 0);
    u32: Self::wrapping_neg, |v| v, |v| Self::from(v != 0);
    u64: Self::wrapping_neg, |v| v, |v| Self::from(v != 0);
}
