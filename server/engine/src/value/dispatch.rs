//! Runs one generic body for the Rust type behind an element type.
//!
//! `dispatch!(elem, Group, T => body)` binds `T` and evaluates `body`, which must be a `Result`; an element
//! type outside the group is an `Unsupported` error. Groups: `Float`, `Int`, `Number` (both), `Any` (all).

/// See the module.
macro_rules! dispatch {
    ($elem:expr, Float, $T:ident => $body:expr) => {
        dispatch!(@match $elem, $T, $body, [F16 half::f16, BF16 half::bf16, F32 f32, F64 f64])
    };
    ($elem:expr, Int, $T:ident => $body:expr) => {
        dispatch!(@match $elem, $T, $body, [
            U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64
        ])
    };
    ($elem:expr, Number, $T:ident => $body:expr) => {
        dispatch!(@match $elem, $T, $body, [
            F16 half::f16, BF16 half::bf16, F32 f32, F64 f64,
            U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64
        ])
    };
    ($elem:expr, Any, $T:ident => $body:expr) => {
        dispatch!(@match $elem, $T, $body, [
            F16 half::f16, BF16 half::bf16, F32 f32, F64 f64,
            U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64,
            Bool $crate::value::Bool, String $crate::value::Text
        ])
    };
    (@match $elem:expr, $T:ident, $body:expr, [$($variant:ident $type:ty),*]) => {
        match $elem {
            $($crate::value::ElemType::$variant => { type $T = $type; $body })*
            #[allow(unreachable_patterns)]
            other => Err($crate::error::OpError::unsupported(format!("not supported for elements of {other}"))),
        }
    };
}

pub(crate) use dispatch;
