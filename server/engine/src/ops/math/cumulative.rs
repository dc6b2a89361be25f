//! `CumSum`: running sums along the axis that input 1 names.

use crate::{
    error::Result,
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            axes::index,
            facts::{Takes, like_first},
            number::Number,
            parallel::{allocate, fill},
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("CumSum", 11, parse)];

/// `CumSum`.
#[derive(Debug)]
pub(crate) struct CumSum {
    /// Whether an element is left out of its own sum.
    pub(crate) exclusive: bool,
    /// Whether sums run from the end.
    pub(crate) reverse: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(CumSum { exclusive: node.flag("exclusive", false)?, reverse: node.flag("reverse", false)? })
}

impl Op for CumSum {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        like_first(inputs, Takes::Numbers, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let axes = inputs.tensor(1)?;
        let axis = index(axes.reshape(Vec::new())?.to_ints()?.first().copied().unwrap_or(0), input.rank())?;
        one(dispatch!(input.elem(), Number, T => self.apply::<T>(input, axis))?)
    }
}

impl CumSum {
    fn apply<T: Number>(&self, input: &Tensor, axis: usize) -> Result<Tensor> {
        let (len, step) = (input.shape()[axis], input.shape()[axis + 1..].iter().product::<usize>());
        let elements = input.view::<T>()?;
        let elements: &[T] = &elements;
        let mut out = allocate::<T>(input.shape())?;
        let block = (len * step).max(1);
        fill(&mut out, block, &|start, chunk| {
            for (from, to) in elements[start..].chunks(block).zip(chunk.chunks_mut(block)) {
                for column in 0..step {
                    self.line(len, |i| from[column + i * step], |i, sum| to[column + i * step] = sum);
                }
            }
        });
        Tensor::from_vec(input.shape().clone(), out)
    }

    fn line<T: Number>(&self, len: usize, from: impl Fn(usize) -> T, mut to: impl FnMut(usize, T)) {
        let mut sum = T::ZERO.widen();
        for i in 0..len {
            let i = if self.reverse { len - 1 - i } else { i };
            let with = sum.add(from(i).widen());
            to(i, T::narrow(if self.exclusive { sum } else { with }));
            sum = with;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_either_way_and_may_leave_their_element_out() {
        let input = Tensor::from_vec(vec![1, 3], vec![1i32, 2, 3]).unwrap();
        for (exclusive, reverse, expected) in [
            (false, false, [1, 3, 6]),
            (true, false, [0, 1, 3]),
            (false, true, [6, 5, 3]),
            (true, true, [5, 3, 0]),
        ] {
            let sums = CumSum { exclusive, reverse }.apply::<i32>(&input, 1).unwrap();
            assert_eq!(sums.to_vec::<i32>().unwrap(), expected, "{exclusive} {reverse}");
        }
    }
}
