//! The element types of ONNX that the engine computes with.

use std::fmt;

use girandole_core::DType;
use girandole_proto::onnx::tensor_proto::DataType;

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
            other => {
                return Err(OpError::unsupported(format!(
                    "element type {} is not supported",
                    other.as_str_name()
                )));
            }
        })
    }

    /// The wire's type.
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
        fmt::Display::fmt(&self.wire(), f)
    }
}
