//! The last two dimensions change places, whatever the rank: a `Transpose` for bodies that do not know it.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one, tensor::transpose::permuted},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Swap;

impl Op for Swap {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| {
            let mut shape = shape.clone();
            if let [.., a, b] = &mut shape[..] {
                std::mem::swap(a, b);
            }
            shape
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let mut order: Vec<usize> = (0..input.rank()).collect();
        match &mut order[..] {
            [.., a, b] => std::mem::swap(a, b),
            _ => return Err(OpError::invalid(format!("expected a matrix, got shape {}", input.shape()))),
        }
        one(permuted(input, &order)?)
    }
}
