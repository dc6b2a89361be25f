//! `Where`: elements of two tensors by a condition, all three broadcast.

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            broadcast::zip3,
            facts::{broadcast_shapes, common_elem},
        },
        one,
    },
    value::{Bool, Element, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("Where", 9, |_| boxed(Where))];

/// `Where`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Where;

impl Op for Where {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(common_elem(inputs, 1..3)?, broadcast_shapes(inputs)?)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let all = [inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?];
        one(dispatch!(all[1].elem(), Any, T => select::<T>(all))?)
    }
}

fn select<T: Element>(all: [&Tensor; 3]) -> Result<Tensor> {
    zip3::<Bool, T, T, T>(all, |condition, a, b| if condition.get() { a.clone() } else { b.clone() })
}
