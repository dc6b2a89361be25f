//! A tensor's `data`: JSON, nested or flat, straight into a little-endian buffer of the element type.
//!
//! Invariant: what is accepted has exactly the shape's number of elements, and where it is nested, the
//! shape's own nesting.

use std::fmt::Display;

use bytes::{BufMut, Bytes, BytesMut};
use girandole_core::{DType, bytes_tensor};
use half::{bf16, f16};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::nonfinite;

/// Memory reserved before an element has come, whatever the shape claims.
const MAX_RESERVE: usize = if cfg!(fuzzing) { 1 << 10 } else { 1 << 20 };

/// Reads the data of a tensor of this type and shape.
pub(super) struct Elements<'a> {
    pub(super) dtype: DType,
    pub(super) shape: &'a [usize],
    pub(super) expected: usize,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = Bytes;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bytes, D::Error> {
        let reserve = self.expected.saturating_mul(self.dtype.size().unwrap_or(8)).min(MAX_RESERVE);
        let mut sink = Sink {
            dtype: self.dtype,
            shape: self.shape,
            expected: self.expected,
            count: 0,
            out: BytesMut::with_capacity(reserve),
        };
        let root = Level { sink: &mut sink, depth: 0 }.deserialize(deserializer)?;
        if root == Kind::Scalar && !self.shape.is_empty() {
            return Err(Error::custom("'data' must be an array"));
        }
        if sink.count != self.expected {
            let message =
                format!("'data' must have the shape's {} elements, got {}", self.expected, sink.count);
            return Err(Error::custom(message));
        }
        Ok(sink.out.freeze())
    }
}

struct Sink<'a> {
    dtype: DType,
    shape: &'a [usize],
    expected: usize,
    count: usize,
    out: BytesMut,
}

/// What stood at one place of the data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    Array,
}

/// The value at one depth of the nesting.
struct Level<'s, 'a> {
    sink: &'s mut Sink<'a>,
    depth: usize,
}

impl Level<'_, '_> {
    fn scalar<E: Error>(self, scalar: Scalar<'_>) -> Result<Kind, E> {
        if self.sink.count == self.sink.expected {
            let expected = self.sink.expected;
            return Err(E::custom(format!("'data' has more than the shape's {expected} elements")));
        }
        if !push(self.sink.dtype, scalar, &mut self.sink.out) {
            return Err(E::custom(format!(
                "element {} of 'data' must be {}, got {scalar}",
                self.sink.count,
                expects(self.sink.dtype)
            )));
        }
        self.sink.count += 1;
        Ok(Kind::Scalar)
    }

    /// Nested data must be nested as the shape is; flat data may stand for any shape.
    fn check<E: Error>(&self, len: usize, kind: Option<Kind>) -> Result<(), E> {
        let rank = self.sink.shape.len();
        let flat = self.depth == 0 && kind != Some(Kind::Array);
        let leaf = kind == Some(Kind::Scalar);
        if flat || len == 0 && self.sink.expected == 0 {
            return Ok(());
        }
        if self.depth >= rank || leaf != (self.depth + 1 == rank) && len > 0 {
            return Err(E::custom(format!(
                "'data' must be flat or nested {rank} deep, as its shape {:?} is",
                self.sink.shape
            )));
        }
        if len != self.sink.shape[self.depth] {
            return Err(E::custom(format!(
                "'data' has {len} entries in dimension {}, its shape {:?} says {}",
                self.depth, self.sink.shape, self.sink.shape[self.depth]
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, '_> {
    type Value = Kind;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} or an array of it in 'data'", expects(self.sink.dtype))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        self.scalar(Scalar::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        self.scalar(Scalar::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        self.scalar(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        self.scalar(Scalar::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let (mut len, mut kind) = (0, None);
        while let Some(came) =
            seq.next_element_seed(Level { sink: &mut *self.sink, depth: self.depth + 1 })?
        {
            if kind.is_some_and(|kind| kind != came) {
                return Err(Error::custom("'data' mixes values and arrays in one array"));
            }
            kind = Some(came);
            len += 1;
        }
        self.check(len, kind)?;
        Ok(Kind::Array)
    }
}

/// A JSON value that can be an element.
#[derive(Clone, Copy)]
enum Scalar<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    fn integer<T: TryFrom<u64> + TryFrom<i64>>(self) -> Option<T> {
        match self {
            Self::Unsigned(value) => T::try_from(value).ok(),
            Self::Signed(value) => T::try_from(value).ok(),
            Self::Bool(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "the nearest float is what the caller asks for")]
    fn float(self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(value as f64),
            Self::Signed(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Text(text) => nonfinite::value(text),
            Self::Bool(_) => None,
        }
    }

    fn boolean(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            Self::Unsigned(value @ 0..=1) => Some(value == 1),
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }
}

impl Display for Scalar<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{:?}", text.chars().take(32).collect::<String>()),
        }
    }
}

/// Appends an element; false where it does not fit the type.
fn push(dtype: DType, scalar: Scalar<'_>, out: &mut BytesMut) -> bool {
    match dtype {
        DType::Bool => put(scalar.boolean().map(|value| [u8::from(value)]), out),
        DType::U8 => put(scalar.integer().map(u8::to_le_bytes), out),
        DType::U16 => put(scalar.integer().map(u16::to_le_bytes), out),
        DType::U32 => put(scalar.integer().map(u32::to_le_bytes), out),
        DType::U64 => put(scalar.integer().map(u64::to_le_bytes), out),
        DType::I8 => put(scalar.integer().map(i8::to_le_bytes), out),
        DType::I16 => put(scalar.integer().map(i16::to_le_bytes), out),
        DType::I32 => put(scalar.integer().map(i32::to_le_bytes), out),
        DType::I64 => put(scalar.integer().map(i64::to_le_bytes), out),
        DType::F16 => put(fits(scalar, f16::from_f64, f16::is_infinite).map(f16::to_le_bytes), out),
        DType::BF16 => put(fits(scalar, bf16::from_f64, bf16::is_infinite).map(bf16::to_le_bytes), out),
        DType::F32 => put(fits(scalar, narrow, f32::is_infinite).map(f32::to_le_bytes), out),
        DType::F64 => put(scalar.float().map(f64::to_le_bytes), out),
        DType::Bytes => {
            let Scalar::Text(text) = scalar else { return false };
            bytes_tensor::push(out, text.as_bytes());
            true
        }
    }
}

fn put<const N: usize>(element: Option<[u8; N]>, out: &mut BytesMut) -> bool {
    element.map(|element| out.put_slice(&element)).is_some()
}

/// The nearest value of a narrower type, unless a finite value would become infinite.
fn fits<T: Copy>(scalar: Scalar<'_>, narrow: fn(f64) -> T, infinite: fn(T) -> bool) -> Option<T> {
    let wide = scalar.float()?;
    let narrowed = narrow(wide);
    (wide.is_infinite() || !infinite(narrowed)).then_some(narrowed)
}

#[allow(clippy::cast_possible_truncation, reason = "rounding is the purpose, overflow is checked after")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

const fn expects(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "true or false (BOOL)",
        DType::U8 => "an integer of 0..255 (UINT8)",
        DType::U16 => "an integer of 0..65535 (UINT16)",
        DType::U32 => "an integer of 0..4294967295 (UINT32)",
        DType::U64 => "an integer of 0..2^64-1 (UINT64)",
        DType::I8 => "an integer of -128..127 (INT8)",
        DType::I16 => "an integer of -32768..32767 (INT16)",
        DType::I32 => "an integer of -2^31..2^31-1 (INT32)",
        DType::I64 => "an integer of -2^63..2^63-1 (INT64)",
        DType::F16 => "a number of at most 65504 (FP16)",
        DType::BF16 => "a number in range (BF16)",
        DType::F32 => "a number in range (FP32)",
        DType::F64 => "a number (FP64)",
        DType::Bytes => "a string (BYTES; other bytes than UTF-8 need the binary tensor data extension)",
    }
}
