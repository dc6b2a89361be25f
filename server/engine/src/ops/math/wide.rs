//! Tensors of floats in f64, for operators that are too rare to be worth a loop for each type.

use super::number::Number;
use crate::{
    error::Result,
    value::{ElemType, Tensor, checked_len, dispatch},
};

/// The elements of a tensor of floats.
///
/// # Errors
/// `Unsupported` for another type.
pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f64>> {
    checked_len::<f64>(tensor.shape())?;
    dispatch!(tensor.elem(), Float, T => Ok(tensor.view::<T>()?.iter().map(|v| v.to_f64()).collect()))
}

/// The only element of a tensor of one float.
///
/// # Errors
/// `Invalid` for another number of elements, `Unsupported` for another type.
pub(super) fn only_float(tensor: &Tensor) -> Result<f64> {
    dispatch!(tensor.elem(), Float, T => tensor.to_scalar::<T>().map(Number::to_f64))
}

/// A tensor of numbers of type `elem`; integers take the integer part.
///
/// # Errors
/// `Unsupported` for a type that is no number.
pub(super) fn tensor(elem: ElemType, shape: &[usize], data: &[f64]) -> Result<Tensor> {
    dispatch!(elem, Number, T => Tensor::from_vec(shape, data.iter().map(|&v| <T as Number>::from_f64(v)).collect()))
}

/// The element type that the attribute `name` of a node names.
///
/// # Errors
/// As [`ElemType::from_onnx`].
pub(super) fn elem_of(node: &crate::onnx::NodeDef<'_>, name: &str) -> Result<Option<ElemType>> {
    node.int(name)?.map(|number| ElemType::from_onnx(i32::try_from(number).unwrap_or(-1))).transpose()
}
