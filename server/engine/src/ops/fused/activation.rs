//! A function of each f32, where a file spells it out in several nodes.

use girandole_kernels::math::Function;

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        math::{
            facts::{Takes, like_first},
            unary::function::apply_kernel,
        },
        one,
    },
};

/// The function of each element of its only input.
#[derive(Debug)]
pub(crate) struct Activation(pub(crate) Function);

impl Op for Activation {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        like_first(inputs, Takes::Floats, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(apply_kernel(inputs.tensor(0)?, self.0)?)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn function(&self) -> Option<Function> {
        Some(self.0)
    }
}
