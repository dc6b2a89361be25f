//! How elements lie in a GPU's memory, and which types of ONNX lie there at all.

use girandole_cuda::Number;

use crate::value::ElemType;

/// An element type that the kernels know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
    I64,
    I32,
    /// ONNX's bool: a byte, 0 or 1.
    Bool,
}

impl Dtype {
    /// Bytes of an element.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Bool => 1,
        }
    }

    /// What the names of kernels of this type end with.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::Bool => "u8",
        }
    }

    /// What the names of kernels end with that move elements of this size.
    pub(crate) const fn width(self) -> &'static str {
        match self.size() {
            8 => "8",
            4 => "4",
            2 => "2",
            _ => "1",
        }
    }

    /// Whether it is one of floats.
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }
}

/// What floats that a model calls f32 are kept as on a GPU, and how they are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32 throughout.
    #[default]
    Fp32,
    /// f32, multiplied with factors rounded to 10 bits.
    Tf32,
    /// f16, summed in f32.
    Fp16,
    /// bf16, summed in f32.
    Bf16,
}

impl Precision {
    /// The key among the configuration's parameters.
    const PARAMETER: &str = "precision";
    const ALL: [Self; 4] = [Self::Fp32, Self::Tf32, Self::Fp16, Self::Bf16];

    /// What the parameter `precision` asks for.
    ///
    /// # Errors
    /// `InvalidArgument` for another value.
    pub(crate) fn of(
        parameters: &std::collections::BTreeMap<String, String>,
    ) -> girandole_core::Result<Option<Self>> {
        let Some(text) = parameters.get(Self::PARAMETER) else { return Ok(None) };
        Self::ALL.into_iter().find(|precision| precision.name() == text).map(Some).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            girandole_core::Error::invalid(format!(
                "parameter '{}' must be one of {names}, got '{text}'",
                Self::PARAMETER
            ))
        })
    }

    /// What a file of such floats asks for, where the configuration does not say.
    pub(crate) const fn of_file(half: Option<ElemType>) -> Self {
        match half {
            Some(ElemType::F16) => Self::Fp16,
            Some(ElemType::BF16) => Self::Bf16,
            _ => Self::Fp32,
        }
    }

    /// What the configuration calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        }
    }

    /// How a value of this type is kept; `None` where it stays on the host.
    pub(crate) const fn dtype(self, elem: ElemType) -> Option<Dtype> {
        match elem {
            ElemType::F32 => Some(self.float()),
            ElemType::F16 => Some(Dtype::F16),
            ElemType::BF16 => Some(Dtype::Bf16),
            ElemType::I64 => Some(Dtype::I64),
            ElemType::I32 => Some(Dtype::I32),
            ElemType::Bool => Some(Dtype::Bool),
            _ => None,
        }
    }

    /// What f32 is kept as.
    pub(crate) const fn float(self) -> Dtype {
        match self {
            Self::Fp32 | Self::Tf32 => Dtype::F32,
            Self::Fp16 => Dtype::F16,
            Self::Bf16 => Dtype::Bf16,
        }
    }

    /// How floats of this type are multiplied; `None` for integers.
    pub(crate) const fn number(self, dtype: Dtype) -> Option<Number> {
        match (dtype, self) {
            (Dtype::F32, Self::Tf32) => Some(Number::Tf32),
            (Dtype::F32, _) => Some(Number::F32),
            (Dtype::F16, _) => Some(Number::F16),
            (Dtype::Bf16, _) => Some(Number::Bf16),
            _ => None,
        }
    }
}
