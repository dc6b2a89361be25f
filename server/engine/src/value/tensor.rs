//! The engine's tensor: an ONNX element type and a shape over candle's storage, or over a host vector for
//! the types that candle lacks.
//!
//! Invariants: the storage holds exactly the shape's elements; the dimensions that are not 0 multiply to no
//! more than a tensor may hold, so that no part of the shape of an empty tensor overflows or is allocated. candle storage may be strided (a transpose is
//! free); [`Tensor::view`] compacts it.

use std::sync::Arc;

use girandole_core::Shape;

use super::{
    ElemType, Mini, Text,
    element::{Bool, Element},
    view::View,
};
use crate::{
    error::{OpError, Result},
    limits,
};

/// An immutable tensor; clones share the storage.
#[derive(Clone)]
pub struct Tensor {
    elem: ElemType,
    shape: Shape,
    data: Data,
}

/// Where the elements are.
#[derive(Clone)]
#[allow(missing_docs)]
pub enum Data {
    Candle(candle_core::Tensor),
    I8(Arc<Vec<i8>>),
    U16(Arc<Vec<u16>>),
    U64(Arc<Vec<u64>>),
    Text(Arc<Vec<Text>>),
}

impl Tensor {
    /// A tensor over `data`, which is not copied.
    ///
    /// # Errors
    /// `Invalid` where the length does not fit the shape.
    pub fn from_vec<T: Element>(shape: impl Into<Shape>, data: Vec<T>) -> Result<Self> {
        let shape = shape.into();
        if shape.elements() != Some(data.len()) {
            return Err(OpError::invalid(format!("{} elements do not make shape {shape}", data.len())));
        }
        checked_len::<u8>(&shape)?;
        let data = T::store(&shape, data)?;
        Ok(Self { elem: T::ELEM, shape, data })
    }

    /// A tensor of rank 0.
    ///
    /// # Errors
    /// Where candle refuses.
    pub fn scalar<T: Element>(value: T) -> Result<Self> {
        Self::from_vec(Shape::default(), vec![value])
    }

    /// A boolean tensor.
    ///
    /// # Errors
    /// `Invalid` where the length does not fit the shape.
    pub fn from_bools(shape: impl Into<Shape>, data: impl IntoIterator<Item = bool>) -> Result<Self> {
        Self::from_vec(shape, data.into_iter().map(Bool::new).collect())
    }

    /// A candle tensor of one of the types that ONNX and candle share (`u8` is UINT8).
    ///
    /// # Errors
    /// `Unsupported` for a type that ONNX lacks.
    pub fn from_candle(tensor: candle_core::Tensor) -> Result<Self> {
        use candle_core::DType;
        let elem = match tensor.dtype() {
            DType::U8 => ElemType::U8,
            DType::U32 => ElemType::U32,
            DType::I16 => ElemType::I16,
            DType::I32 => ElemType::I32,
            DType::I64 => ElemType::I64,
            DType::BF16 => ElemType::BF16,
            DType::F16 => ElemType::F16,
            DType::F32 => ElemType::F32,
            DType::F64 => ElemType::F64,
            other => return Err(OpError::unsupported(format!("candle type {other:?} is not supported"))),
        };
        Ok(Self { elem, shape: Shape::new(tensor.dims()), data: Data::Candle(tensor) })
    }

    /// The element type.
    pub const fn elem(&self) -> ElemType {
        self.elem
    }

    /// The shape.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.elements().unwrap_or(0)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// `Invalid` where the tensor holds another type.
    pub fn view<T: Element>(&self) -> Result<View<'_, T>> {
        let view = if self.elem == T::ELEM { T::view(&self.data) } else { None };
        view.ok_or_else(|| OpError::invalid(format!("expected a tensor of {}, got {}", T::ELEM, self.elem)))
    }

    /// The elements, moved into an own vector.
    ///
    /// # Errors
    /// As [`Self::view`].
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        Ok(self.view::<T>()?.to_vec())
    }

    /// The candle tensor under it.
    ///
    /// # Errors
    /// `Unsupported` for an element type that candle lacks.
    pub fn candle(&self) -> Result<&candle_core::Tensor> {
        match &self.data {
            Data::Candle(tensor) => Ok(tensor),
            _ => Err(OpError::unsupported(format!("not supported for elements of {}", self.elem))),
        }
    }

    /// The integers of a small tensor such as a shape or axes, whatever their width.
    ///
    /// # Errors
    /// `Invalid` for a type that is not an integer.
    pub fn to_ints(&self) -> Result<Vec<i64>> {
        match self.elem {
            ElemType::I64 => self.to_vec::<i64>(),
            ElemType::I32 => Ok(self.view::<i32>()?.iter().map(|&v| i64::from(v)).collect()),
            ElemType::I16 => Ok(self.view::<i16>()?.iter().map(|&v| i64::from(v)).collect()),
            ElemType::I8 => Ok(self.view::<i8>()?.iter().map(|&v| i64::from(v)).collect()),
            ElemType::U8 => Ok(self.view::<u8>()?.iter().map(|&v| i64::from(v)).collect()),
            ElemType::U16 => Ok(self.view::<u16>()?.iter().map(|&v| i64::from(v)).collect()),
            ElemType::U32 => Ok(self.view::<u32>()?.iter().map(|&v| i64::from(v)).collect()),
            ElemType::U64 => Ok(self.view::<u64>()?.iter().map(|&v| v.cast_signed()).collect()),
            other => Err(OpError::invalid(format!("expected integers, got {other}"))),
        }
    }

    /// A tensor of a type of one byte or less from its elements' bytes.
    ///
    /// # Errors
    /// `Invalid` where the length does not fit the shape or a byte is none of the type's.
    pub fn from_codes(mini: Mini, shape: impl Into<Shape>, codes: Vec<u8>) -> Result<Self> {
        if let Some(byte) = codes.iter().find(|&&byte| !mini.holds(byte)) {
            return Err(OpError::invalid(format!("the byte {byte} is no element of {mini}")));
        }
        let tensor = Self::from_vec(shape, codes)?;
        Ok(Self { elem: ElemType::Mini(mini), ..tensor })
    }

    /// The elements' bytes, as a tensor of `u8`; `None` for a type wider than a byte.
    pub fn codes(&self) -> Option<(Mini, Self)> {
        match self.elem {
            ElemType::Mini(mini) => Some((mini, Self { elem: ElemType::U8, ..self.clone() })),
            _ => None,
        }
    }

    /// What `f` makes of this tensor, where `f` only moves elements: those of a byte or less move as `u8`.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn moved(&self, f: impl FnOnce(&Self) -> Result<Self>) -> Result<Self> {
        match self.codes() {
            Some((_, codes)) => Ok(Self { elem: self.elem, ..f(&codes)? }),
            None => f(self),
        }
    }

    /// This tensor, which came over the wire, as one of the type that the model declares.
    ///
    /// # Errors
    /// `Invalid` where an element is none of that type's.
    pub fn declared(self, elem: Option<ElemType>) -> Result<Self> {
        let Some(ElemType::Mini(mini)) = elem else { return Ok(self) };
        let codes = match self.elem {
            ElemType::I8 => bytemuck::allocation::cast_vec(self.to_vec::<i8>()?),
            _ => self.to_vec::<u8>()?,
        };
        Self::from_codes(mini, self.shape, codes)
    }

    /// The only element of a tensor of one.
    ///
    /// # Errors
    /// `Invalid` for another length or type.
    pub fn to_scalar<T: Element>(&self) -> Result<T> {
        match &*self.view::<T>()? {
            [only] => Ok(only.clone()),
            all => Err(OpError::invalid(format!("expected one element, got {}", all.len()))),
        }
    }

    /// The same elements under another shape, without a copy where they lie in order.
    ///
    /// # Errors
    /// `Invalid` where the number of elements differs.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape.elements() != Some(self.len()) {
            return Err(OpError::invalid(format!("cannot reshape {} to {shape}", self.shape)));
        }
        checked_len::<u8>(&shape)?;
        let data = match &self.data {
            Data::Candle(tensor) => Data::Candle(tensor.reshape(shape.to_vec())?),
            other => other.clone(),
        };
        Ok(Self { elem: self.elem, shape, data })
    }

    /// Bytes that the elements take (for strings: their contents).
    pub fn bytes(&self) -> usize {
        match &self.data {
            Data::Text(all) => all.iter().map(Text::len).sum(),
            _ => self.elem.wire().size().unwrap_or(1).saturating_mul(self.len()),
        }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.elem, self.shape)
    }
}

/// The number of elements of `shape`, checked against what one tensor may take, as if no dimension were 0.
///
/// # Errors
/// `TooLarge` beyond [`limits::TENSOR_BYTES`].
pub fn checked_len<T>(shape: &[usize]) -> Result<usize> {
    let extent = shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim.max(1)));
    extent
        .filter(|all| {
            all.checked_mul(size_of::<T>().max(1)).is_some_and(|bytes| bytes <= limits::TENSOR_BYTES)
        })
        .map(|all| if shape.contains(&0) { 0 } else { all })
        .ok_or_else(|| {
            OpError::TooLarge(format!(
                "a tensor of shape {} is larger than this server allows",
                Shape::new(shape)
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_elements_move_as_bytes_and_are_checked() {
        let tensor = Tensor::from_codes(Mini::I4, vec![3usize], vec![0xff, 7, 0xf8]).unwrap();
        let turned = tensor.moved(|codes| {
            Tensor::from_vec(codes.shape().clone(), codes.to_vec::<u8>()?.into_iter().rev().collect())
        });
        let turned = turned.unwrap();
        assert_eq!(turned.elem(), ElemType::Mini(Mini::I4));
        assert_eq!(turned.codes().unwrap().1.to_vec::<u8>().unwrap(), [0xf8, 7, 0xff]);
        assert!(tensor.view::<u8>().is_err());
        assert!(Tensor::from_codes(Mini::U4, vec![1usize], vec![16]).is_err());
        let came = Tensor::from_vec(vec![2usize], vec![-8i8, 9]).unwrap();
        assert!(came.declared(Some(ElemType::Mini(Mini::I4))).is_err());
    }

    #[test]
    fn an_empty_tensor_has_no_endless_dimension() {
        assert_eq!(checked_len::<f32>(&[0, 1 << 20]).unwrap(), 0);
        assert!(matches!(checked_len::<f32>(&[0, 1 << 60]), Err(OpError::TooLarge(_))));
        assert!(matches!(Tensor::from_vec::<f32>(vec![1 << 60, 0], vec![]), Err(OpError::TooLarge(_))));
        let empty = Tensor::from_vec::<f32>(vec![0, 3], vec![]).unwrap();
        assert!(matches!(empty.reshape(vec![0, 1 << 60]), Err(OpError::TooLarge(_))));
    }
}
