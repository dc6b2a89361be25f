//! Conversions between numbers and booleans, as a C compiler for x86-64 makes them, which is what ONNX
//! Runtime's answers are: floats lose their fraction, integers keep their low bits.

use half::{bf16, f16};

use crate::value::{Bool, Element};

/// Any number, without loss.
#[derive(Clone, Copy)]
pub(super) enum Scalar {
    Signed(i64),
    Unsigned(u64),
    F32(f32),
    F64(f64),
}

/// A number or boolean.
pub(super) trait Convert: Element + Copy {
    fn scalar(self) -> Scalar;
    fn convert(scalar: Scalar) -> Self;
}

macro_rules! integers {
    ($($type:ty: $variant:ident as $wide:ty, $float:expr);* $(;)?) => {$(
        impl Convert for $type {
            #[inline(always)]
            fn scalar(self) -> Scalar {
                Scalar::$variant(<$wide>::from(self))
            }

            #[inline(always)]
            fn convert(scalar: Scalar) -> Self {
                let of_float: fn(f64) -> Self = $float;
                match scalar {
                    Scalar::Signed(v) => v as Self,
                    Scalar::Unsigned(v) => v as Self,
                    Scalar::F32(v) => of_float(f64::from(v)),
                    Scalar::F64(v) => of_float(v),
                }
            }
        }
    )*};
}

// Narrow types are converted through the width of the instruction that a C compiler uses.
integers! {
    i8: Signed as i64, |v| to_i32(v) as Self;
    i16: Signed as i64, |v| to_i32(v) as Self;
    i32: Signed as i64, to_i32;
    i64: Signed as i64, to_i64;
    u8: Unsigned as u64, |v| to_i32(v) as Self;
    u16: Unsigned as u64, |v| to_i32(v) as Self;
    u32: Unsigned as u64, |v| to_i64(v) as Self;
    u64: Unsigned as u64, |v| if v < 0.0 { to_i64(v).cast_unsigned() } else { v as Self };
}

/// The integer part; what does not fit, and NaN, is the least integer.
fn to_i32(value: f64) -> i32 {
    let cut = value.trunc();
    if cut >= f64::from(i32::MIN) && cut <= f64::from(i32::MAX) { cut as i32 } else { i32::MIN }
}

/// As [`to_i32`].
fn to_i64(value: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&value) { value as i64 } else { i64::MIN }
}

macro_rules! floats {
    ($($type:ty: |$v:ident| $signed:expr, $unsigned:expr, $f32:expr, $f64:expr, $scalar:expr);* $(;)?) => {$(
        impl Convert for $type {
            #[inline(always)]
            fn scalar(self) -> Scalar {
                $scalar(self)
            }

            #[inline(always)]
            fn convert(scalar: Scalar) -> Self {
                match scalar {
                    Scalar::Signed($v) => $signed,
                    Scalar::Unsigned($v) => $unsigned,
                    Scalar::F32($v) => $f32,
                    Scalar::F64($v) => $f64,
                }
            }
        }
    )*};
}

floats! {
    f32: |v| v as Self, v as Self, v, v as Self, Scalar::F32;
    f64: |v| v as Self, v as Self, Self::from(v), v, Scalar::F64;
    f16: |v| Self::from_f32(v as f32), Self::from_f32(v as f32), Self::from_f32(v), Self::from_f32(v as f32),
        |v: Self| Scalar::F32(v.to_f32());
    bf16: |v| Self::from_f32(v as f32), Self::from_f32(v as f32), Self::from_f32(v), Self::from_f32(v as f32),
        |v: Self| Scalar::F32(v.to_f32());
}

impl Convert for Bool {
    fn scalar(self) -> Scalar {
        Scalar::Unsigned(u64::from(self.get()))
    }

    fn convert(scalar: Scalar) -> Self {
        Self::new(match scalar {
            Scalar::Signed(v) => v != 0,
            Scalar::Unsigned(v) => v != 0,
            Scalar::F32(v) => v != 0.0,
            Scalar::F64(v) => v != 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast<A: Convert, B: Convert>(value: A) -> B {
        B::convert(value.scalar())
    }

    #[test]
    fn floats_lose_their_fraction() {
        assert_eq!((cast::<_, i32>(-1.9f32), cast::<_, i64>(1.9f64), cast::<_, u8>(3.99f32)), (-1, 1, 3));
        assert_eq!(cast::<_, i64>(f16::from_f32(-0.5)), 0);
        assert_eq!(cast::<_, u64>(1.8e19f64), 18_000_000_000_000_000_000);
    }

    #[test]
    fn what_does_not_fit_is_as_on_x86() {
        assert_eq!(
            (cast::<_, u8>(-1.0f32), cast::<_, u8>(300.0f32), cast::<_, i8>(200.0f32)),
            (255, 44, -56)
        );
        assert_eq!((cast::<_, i32>(f32::NAN), cast::<_, i64>(f64::INFINITY)), (i32::MIN, i64::MIN));
        assert_eq!((cast::<_, u32>(-1i64), cast::<_, i8>(255u8)), (u32::MAX, -1));
    }

    #[test]
    fn halves_round_to_nearest_even() {
        assert_eq!(cast::<_, bf16>(1.0f32 + 1.0 / 256.0), bf16::ONE);
        assert_eq!(cast::<_, bf16>(1.0f32 + 3.0 / 256.0).to_f32(), 1.015_625);
        assert_eq!(cast::<_, f16>(65_520.0f32), f16::INFINITY);
    }

    #[test]
    fn every_number_but_zero_is_true() {
        assert!(
            cast::<_, Bool>(0.5f32).get()
                && cast::<_, Bool>(f32::NAN).get()
                && !cast::<_, Bool>(-0.0f64).get()
        );
        assert_eq!(cast::<_, f16>(Bool::new(true)), f16::ONE);
    }
}
