//! `NonZero`, since opset 9: the places of the elements that are not zero, one column each.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, checked_len, dispatch},
};

use super::shapes::one_fact;

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("NonZero", 9, |_| boxed(NonZero))];

#[derive(Debug)]
struct NonZero;

impl Op for NonZero {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let rank = inputs.shape(0).map(|shape| shape.len().max(1));
        let shape = rank.map(|rank| vec![SymDim::Known(rank), SymDim::Unknown]);
        one_fact(Some(ElemType::I64), shape)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        if input.elem() == ElemType::String {
            return Err(OpError::unsupported("not supported for strings"));
        }
        let places: Vec<usize> = dispatch!(input.elem(), Any, T => {
            let zero = T::default();
            Ok(input.view::<T>()?.iter().enumerate().filter(|(_, v)| **v != zero).map(|(i, _)| i).collect())
        })?;
        one(coordinates(&places, input.shape())?)
    }
}

/// The coordinates of flat places: `[rank, places]`; a scalar counts as a vector of one.
fn coordinates(places: &[usize], shape: &[usize]) -> Result<Tensor> {
    let shape = if shape.is_empty() { &[1] } else { shape };
    let columns = places.len();
    let mut out = vec![0i64; checked_len::<i64>(&[shape.len(), columns])?];
    for (column, &place) in places.iter().enumerate() {
        let mut rest = place;
        for (row, &dim) in shape.iter().enumerate().rev() {
            out[row * columns + column] = (rest % dim).cast_signed() as i64;
            rest /= dim;
        }
    }
    Tensor::from_vec(vec![shape.len(), columns], out)
}
