//! A tensor's elements as numbers.

use girandole_core::{DType, Tensor};
use half::{bf16, f16};

/// Numbers of any element type, in a form that keeps them exact.
pub(crate) enum Values {
    /// Of signed integers.
    Signed(Vec<i64>),
    /// Of unsigned integers.
    Unsigned(Vec<u64>),
    /// Of floats.
    Float(Vec<f64>),
}

impl Values {
    /// The elements; `None` where they are no numbers.
    pub(crate) fn read(tensor: &Tensor) -> Option<Self> {
        Self::decode(tensor.dtype(), tensor.data())
    }

    /// The element at an index; `None` where there is none, or it is no number.
    pub(crate) fn one(tensor: &Tensor, index: usize) -> Option<f64> {
        let size = tensor.dtype().size()?;
        let start = index.checked_mul(size)?;
        let data = tensor.data().get(start..start.checked_add(size)?)?;
        Self::decode(tensor.dtype(), data)?.floats().first().copied()
    }

    fn decode(dtype: DType, data: &[u8]) -> Option<Self> {
        Some(match dtype {
            DType::U8 => Self::Unsigned(data.iter().map(|&byte| byte.into()).collect()),
            DType::U16 => Self::Unsigned(chunks(data, |b| u16::from_le_bytes(b).into())),
            DType::U32 => Self::Unsigned(chunks(data, |b| u32::from_le_bytes(b).into())),
            DType::U64 => Self::Unsigned(chunks(data, u64::from_le_bytes)),
            DType::I8 => Self::Signed(chunks(data, |b| i8::from_le_bytes(b).into())),
            DType::I16 => Self::Signed(chunks(data, |b| i16::from_le_bytes(b).into())),
            DType::I32 => Self::Signed(chunks(data, |b| i32::from_le_bytes(b).into())),
            DType::I64 => Self::Signed(chunks(data, i64::from_le_bytes)),
            DType::F16 => Self::Float(chunks(data, |b| f16::from_le_bytes(b).to_f64())),
            DType::BF16 => Self::Float(chunks(data, |b| bf16::from_le_bytes(b).to_f64())),
            DType::F32 => Self::Float(chunks(data, |b| f32::from_le_bytes(b).into())),
            DType::F64 => Self::Float(chunks(data, f64::from_le_bytes)),
            DType::Bool | DType::Bytes => return None,
        })
    }

    /// The same as floats; integers beyond 2^53 are rounded.
    pub(crate) fn floats(self) -> Vec<f64> {
        match self {
            Self::Signed(values) => values.into_iter().map(|value| value as f64).collect(),
            Self::Unsigned(values) => values.into_iter().map(|value| value as f64).collect(),
            Self::Float(values) => values,
        }
    }
}

fn chunks<T, const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|chunk| read(*chunk)).collect()
}
