//! The element types of ONNX that the engine computes with.

use std::fmt;

use girandole_core::DType;
use girandole_proto::onnx::tensor_proto::DataType;

use super::Mini;
use crate::error::{OpError, Result};

/// An element type of ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ElemType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
    String,
    /// A type of one byte or less, which only moves and is converted.
    Mini(Mini),
}

impl ElemType {
    /// The type of a number in a model file (`TensorProto.DataType`).
    ///
    /// # Errors
    /// `Unsupported` for a type that the engine lacks, `Invalid` for a number that is none.
    pub fn from_onnx(number: i32) -> Result<Self> {
        let dtype = DataType::try_from(number)
            .map_err(|_| OpError::invalid(format!("{number} is no ONNX element type")))?;
        Ok(match dtype {
            DataType::Bool => Self::Bool,
            DataType::Uint8 => Self::U8,
            DataType::Uint16 => Self::U16,
            DataType::Uint32 => Self::U32,
            DataType::Uint64 => Self::U64,
            DataType::Int8 => Self::I8,
            DataType::Int16 => Self::I16,
            DataType::Int32 => Self::I32,
            DataType::Int64 => Self::I64,
            DataType::Float16 => Self::F16,
            DataType::Bfloat16 => Self::BF16,
            DataType::Float => Self::F32,
            DataType::Double => Self::F64,
            DataType::String => Self::String,
            DataType::Float8e4m3fn => Self::Mini(Mini::F8E4M3FN),
            DataType::Float8e4m3fnuz => Self::Mini(Mini::F8E4M3FNUZ),
            DataType::Float8e5m2 => Self::Mini(Mini::F8E5M2),
            DataType::Float8e5m2fnuz => Self::Mini(Mini::F8E5M2FNUZ),
            DataType::Float8e8m0 => Self::Mini(Mini::F8E8M0),
            DataType::Float4e2m1 => Self::Mini(Mini::F4E2M1),
            DataType::Int4 => Self::Mini(Mini::I4),
            DataType::Uint4 => Self::Mini(Mini::U4),
            other => {
                return Err(OpError::unsupported(format!(
                    "element type {} is not supported",
                    other.as_str_name()
                )));
            }
        })
    }

    /// The wire's type. The protocol has none for 4-bit integers, which travel as bytes of their value, nor
    /// for small floats, which travel as bytes of their code.
    pub const fn wire(self) -> DType {
        match self {
            Self::Bool => DType::Bool,
            Self::U8 => DType::U8,
            Self::U16 => DType::U16,
            Self::U32 => DType::U32,
            Self::U64 => DType::U64,
            Self::I8 => DType::I8,
            Self::I16 => DType::I16,
            Self::I32 => DType::I32,
            Self::I64 => DType::I64,
            Self::F16 => DType::F16,
            Self::BF16 => DType::BF16,
            Self::F32 => DType::F32,
            Self::F64 => DType::F64,
            Self::String => DType::Bytes,
            Self::Mini(Mini::I4) => DType::I8,
            Self::Mini(_) => DType::U8,
        }
    }

    /// Whether it is a floating-point type.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether it is a signed or unsigned integer (not bool).
    pub const fn is_int(self) -> bool {
        matches!(
            self,
            Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::I8 | Self::I16 | Self::I32 | Self::I64
        )
    }
}

impl fmt::Display for ElemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mini(mini) => fmt::Display::fmt(mini, f),
            other => fmt::Display::fmt(&other.wire(), f),
        }
    }
}
