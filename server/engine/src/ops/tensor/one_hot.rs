//! `OneHot`, since opset 9 (indices from the end since 11).

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, checked_len},
};

use super::{
    kernels::take_blocks,
    shapes::{axis, contents, one_fact, place, size},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("OneHot", 9, |node| boxed(OneHot { axis: node.int_or("axis", -1)? }))];

#[derive(Debug)]
struct OneHot {
    axis: i64,
}

impl Op for OneHot {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some(indices) = inputs.shape(0) else { return one_fact(inputs.elem(2), None) };
        let axis = axis(self.axis, indices.len() + 1)?;
        let depth = contents(inputs.get(1)).and_then(|dims| dims.first().cloned());
        let mut dims = indices.clone();
        dims.insert(axis, depth.unwrap_or(SymDim::Unknown));
        one_fact(inputs.elem(2), Some(dims))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (indices, values) = (inputs.tensor(0)?, inputs.tensor(2)?);
        let depth = match whole_numbers(inputs.tensor(1)?)?[..] {
            [depth] if values.len() == 2 => size(depth)?,
            _ => return Err(OpError::invalid("expected one depth and two values, off and on")),
        };
        let axis = axis(self.axis, indices.rank() + 1)?;
        let mut shape = indices.shape().to_vec();
        shape.insert(axis, depth);
        // Each element of the result is the off or the on value: a list of zeros and ones says which.
        let mut on = vec![0; checked_len::<usize>(&shape)?];
        let inner: usize = shape[axis + 1..].iter().product();
        for (i, index) in whole_numbers(indices)?.into_iter().enumerate() {
            if let Some(hot) = place(index, depth) {
                on[(i / inner * depth + hot) * inner + i % inner] = 1;
            }
        }
        one(take_blocks(values, &on, 1, shape)?)
    }
}

/// The numbers of a tensor of any numeric type, without their fractions.
#[allow(clippy::cast_possible_truncation)]
fn whole_numbers(tensor: &Tensor) -> Result<Vec<i64>> {
    match tensor.elem() {
        ElemType::F32 => Ok(tensor.view::<f32>()?.iter().map(|&v| v as i64).collect()),
        ElemType::F64 => Ok(tensor.view::<f64>()?.iter().map(|&v| v as i64).collect()),
        ElemType::F16 => Ok(tensor.view::<half::f16>()?.iter().map(|v| v.to_f32() as i64).collect()),
        ElemType::BF16 => Ok(tensor.view::<half::bf16>()?.iter().map(|v| v.to_f32() as i64).collect()),
        _ => tensor.to_ints(),
    }
}
