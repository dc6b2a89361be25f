//! `Compress`, since opset 9: the slices of one dimension whose condition is true; without an axis, the
//! elements.

use crate::{
    error::Result,
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Bool, Tensor},
};

use super::{
    kernels::take_blocks,
    shapes::{axis, one_fact},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("Compress", 9, |node| boxed(Compress { axis: node.int("axis")? }))];

#[derive(Debug)]
struct Compress {
    axis: Option<i64>,
}

impl Op for Compress {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some(along) = self.axis else { return one_fact(inputs.elem(0), Some(vec![SymDim::Unknown])) };
        let Some(mut shape) = inputs.shape(0).cloned() else { return one_fact(inputs.elem(0), None) };
        let axis = axis(along, shape.len())?;
        shape[axis] = SymDim::Unknown;
        one_fact(inputs.elem(0), Some(shape))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, condition) = (inputs.tensor(0)?, inputs.tensor(1)?.view::<Bool>()?);
        one(match self.axis {
            Some(along) => compress(input, &condition, axis(along, input.rank())?)?,
            None => compress(&input.reshape(vec![input.len()])?, &condition, 0)?,
        })
    }
}

fn compress(input: &Tensor, condition: &[Bool], axis: usize) -> Result<Tensor> {
    let mut shape = input.shape().to_vec();
    let size = shape[axis];
    let kept = condition.iter().take(size).enumerate().filter(|(_, keep)| keep.get());
    let kept: Vec<usize> = kept.map(|(i, _)| i).collect();
    shape[axis] = kept.len();
    let block: usize = shape[axis + 1..].iter().product();
    let rows = 0..shape[..axis].iter().product::<usize>();
    let starts: Vec<usize> = if block == 0 {
        vec![]
    } else {
        rows.flat_map(|row| kept.iter().map(move |i| (row * size + i) * block)).collect()
    };
    take_blocks(input, &starts, block, shape)
}
