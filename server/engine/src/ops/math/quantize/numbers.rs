//! Operands of (de)quantization as numbers that the engine computes with.

use crate::{
    error::Result,
    ops::math::{cast::mini::decoded, parallel::map},
    value::{ElemType, Tensor, dispatch},
};

/// The elements as f32, in which the division is done.
pub(super) fn floats(tensor: &Tensor) -> Result<Tensor> {
    let tensor = whole(tensor)?;
    match tensor.elem() {
        ElemType::F32 => Ok(tensor),
        elem => dispatch!(elem, Number, T => map::<T, f32>(&tensor, |x| {
            crate::ops::math::number::Number::to_f64(*x) as f32
        })),
    }
}

/// The tensor, those of a byte or less as the numbers they stand for.
pub(super) fn whole(tensor: &Tensor) -> Result<Tensor> {
    tensor.codes().map_or_else(|| Ok(tensor.clone()), |(mini, codes)| decoded(mini, &codes))
}
