//! `Where`: elements of two tensors by a condition, all three broadcast.

use crate::{
    error::Result,
    graph::{Fact, SymShape},
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
        let fact = Fact::tensor(common_elem(inputs, 1..3)?, broadcast_shapes(inputs)?);
        Ok(vec![Fact { dims: chosen_sizes(inputs), ..fact }])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let all = [inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?];
        one(dispatch!(all[1].elem(), Any, T => select::<T>(all))?)
    }
}

/// The sizes of a shape that a constant condition chooses.
fn chosen_sizes(inputs: &Facts<'_>) -> Option<SymShape> {
    let condition = inputs.get(0)?.constant_tensor()?.to_vec::<Bool>().ok()?;
    let sizes = |i: usize| {
        let fact = inputs.get(i).filter(|fact| fact.rank() == Some(1))?;
        fact.dims.as_ref().filter(|dims| dims.len() == condition.len())
    };
    let (yes, no) = (sizes(1)?, sizes(2)?);
    let pairs = condition.iter().zip(yes.iter().zip(no));
    Some(pairs.map(|(condition, (yes, no))| if condition.get() { yes } else { no }.clone()).collect())
}

fn select<T: Element>(all: [&Tensor; 3]) -> Result<Tensor> {
    zip3::<Bool, T, T, T>(all, |condition, a, b| if condition.get() { a.clone() } else { b.clone() })
}
