//! Tensors as the floating-point kernels want them: f32 and f64 as they are, f16 and bf16 through f32.

use std::ops::Deref;

use candle_core::{CpuStorage, Storage, StorageRef, WithDType};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    kernels::real::Real,
    value::{ElemType, Tensor, View},
};

/// Runs `body` with `T` as the type to compute elements of `elem` in; `body` must be a `Result`.
macro_rules! real {
    ($elem:expr, $T:ident => $body:expr) => {
        match $elem {
            $crate::value::ElemType::F64 => {
                type $T = f64;
                $body
            }
            $crate::value::ElemType::F32 | $crate::value::ElemType::F16 | $crate::value::ElemType::BF16 => {
                type $T = f32;
                $body
            }
            other => {
                Err($crate::error::OpError::unsupported(format!("not supported for elements of {other}")))
            }
        }
    };
}

pub(super) use real;

/// A tensor's elements in row-major order, in the type to compute in.
pub(super) enum Elements<'a, T> {
    Borrowed(View<'a, T>),
    Converted(Vec<T>),
}

impl<T: Clone> Deref for Elements<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(view) => view,
            Self::Converted(elements) => elements,
        }
    }
}

/// The elements of a floating-point tensor.
///
/// # Errors
/// `Unsupported` for another type.
pub(super) fn elements<T: Real>(tensor: &Tensor) -> Result<Elements<'_, T>> {
    if tensor.elem() == T::ELEM {
        return tensor.view().map(Elements::Borrowed);
    }
    let converted: Vec<T> = match tensor.elem() {
        ElemType::F16 => convert(&tensor.view::<f16>()?.to_f32_vec()),
        ElemType::BF16 => convert(&tensor.view::<bf16>()?.to_f32_vec()),
        ElemType::F32 => convert(&tensor.view::<f32>()?),
        ElemType::F64 => tensor.view::<f64>()?.iter().map(|&v| T::of(v)).collect(),
        other => return Err(OpError::unsupported(format!("not supported for elements of {other}"))),
    };
    Ok(Elements::Converted(converted))
}

/// The elements of an optional floating-point tensor.
///
/// # Errors
/// `Unsupported` for another type.
pub(super) fn opt_elements<T: Real>(tensor: Option<&Tensor>) -> Result<Option<Elements<'_, T>>> {
    tensor.map(elements).transpose()
}

fn convert<T: Real>(values: &[f32]) -> Vec<T> {
    values.iter().map(|&v| T::of(f64::from(v))).collect()
}

/// A tensor of type `elem` from what was computed.
///
/// # Errors
/// `Unsupported` for a type that is not a float.
pub(super) fn tensor<T: Real>(elem: ElemType, shape: &[usize], data: Vec<T>) -> Result<Tensor> {
    if elem == T::ELEM {
        return Tensor::from_vec(shape, data);
    }
    let wide = |v: &T| v.to_f64().unwrap_or(f64::NAN);
    match elem {
        ElemType::F16 => Tensor::from_vec(shape, data.iter().map(|v| f16::from_f64(wide(v))).collect()),
        ElemType::BF16 => Tensor::from_vec(shape, data.iter().map(|v| bf16::from_f64(wide(v))).collect()),
        ElemType::F32 => Tensor::from_vec(shape, data.iter().map(|v| wide(v) as f32).collect()),
        ElemType::F64 => Tensor::from_vec(shape, data.iter().map(wide).collect()),
        other => Err(OpError::unsupported(format!("not supported for elements of {other}"))),
    }
}

/// A tensor's elements where they lie, with their strides; so a transposed operand needs no copy.
pub(crate) struct Strided<'a, T> {
    elements: Places<'a, T>,
    /// Distance between neighbours of each axis.
    pub(crate) strides: SmallVec<[usize; 6]>,
    /// The place of the first element.
    pub(crate) start: usize,
}

enum Places<'a, T> {
    Candle(StorageRef<'a>),
    Dense(Elements<'a, T>),
}

impl<'a, T: Real + WithDType> Strided<'a, T> {
    /// The elements of a floating-point tensor.
    ///
    /// # Errors
    /// `Unsupported` for another type.
    pub(crate) fn new(tensor: &'a Tensor) -> Result<Self> {
        if tensor.elem() == T::ELEM {
            let (storage, layout) = tensor.candle()?.storage_and_layout();
            if matches!(&*storage, Storage::Cpu(_)) {
                let (strides, start) = (layout.stride().into(), layout.start_offset());
                return Ok(Self { elements: Places::Candle(storage), strides, start });
            }
        }
        let strides = dense_strides(tensor.shape());
        Ok(Self { elements: Places::Dense(elements(tensor)?), strides, start: 0 })
    }

    /// All elements of the storage.
    pub(crate) fn all(&self) -> &[T] {
        match &self.elements {
            Places::Candle(storage) => match &**storage {
                Storage::Cpu(host) => slice(host),
                _ => &[],
            },
            Places::Dense(elements) => elements,
        }
    }
}

fn slice<T: WithDType>(storage: &CpuStorage) -> &[T] {
    T::cpu_storage_as_slice(storage).unwrap_or_default()
}

/// Strides of rows one after the other.
pub(super) fn dense_strides(shape: &[usize]) -> SmallVec<[usize; 6]> {
    let mut strides: SmallVec<[usize; 6]> = SmallVec::from_elem(1, shape.len());
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}
