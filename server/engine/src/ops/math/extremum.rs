//! `ArgMax`, `ArgMin`: the place of the greatest or least element along an axis.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            axes::{index, mask, reduced, reduced_dims},
            number::Number,
            parallel::{allocate, fill_costly},
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] =
    &[OpDef::onnx("ArgMax", 1, |n| parse(n, true)), OpDef::onnx("ArgMin", 1, |n| parse(n, false))];

/// `ArgMax` and `ArgMin`.
#[derive(Debug)]
pub(crate) struct Extremum {
    pub(crate) axis: i64,
    pub(crate) keep: bool,
    /// Whether the last of equal elements is meant instead of the first. Since opset 12.
    pub(crate) last: bool,
    pub(crate) greatest: bool,
}

fn parse(node: &NodeDef<'_>, greatest: bool) -> Result<Box<dyn Op>> {
    boxed(Extremum {
        axis: node.int_or("axis", 0)?,
        keep: node.flag("keepdims", true)?,
        last: node.flag("select_last_index", false)?,
        greatest,
    })
}

impl Op for Extremum {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = reduced_dims(inputs.get(0), Some(&[self.axis]), self.keep)?;
        Ok(vec![Fact::tensor(Some(ElemType::I64), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(dispatch!(input.elem(), Number, T => self.apply::<T>(input))?)
    }
}

impl Extremum {
    fn apply<T: Number>(&self, input: &Tensor) -> Result<Tensor> {
        let axis = index(self.axis, input.rank())?;
        let shape = reduced(input.shape(), &mask(&[self.axis], input.rank())?, self.keep, &1);
        let len = input.shape()[axis];
        let step: usize = input.shape()[axis + 1..].iter().product();
        let elements = input.view::<T>()?;
        let elements: &[T] = &elements;
        let mut out = allocate::<i64>(&shape)?;
        if len == 0 && !out.is_empty() {
            return Err(OpError::invalid(format!("axis {axis} of shape {} is empty", input.shape())));
        }
        fill_costly(&mut out, 1, len, &|start, chunk| {
            for (i, to) in chunk.iter_mut().enumerate() {
                let (block, column) = ((start + i) / step, (start + i) % step);
                let line = elements[block * len * step + column..].iter().step_by(step).take(len);
                *to = self.place(line.copied()) as i64;
            }
        });
        Tensor::from_vec(shape, out)
    }

    fn place<T: Number>(&self, line: impl Iterator<Item = T>) -> usize {
        let mut best: Option<(usize, T)> = None;
        for (i, x) in line.enumerate() {
            let better = best.is_none_or(|(_, best)| {
                let beyond = if self.greatest { x > best } else { x < best };
                beyond || (self.last && x == best)
            });
            if better {
                best = Some((i, x));
            }
        }
        best.map_or(0, |(place, _)| place)
    }
}
