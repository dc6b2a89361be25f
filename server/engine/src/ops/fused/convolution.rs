//! A convolution with filters as the file has them, and what follows it: `relu(x * W + bias + residual)`. The form
//! that GPUs take; a processor runs [`super::nhwc`], and this one only in the tests of the rules.
//!
//! Inputs: X, W and B of `Conv`, and the residual, of the result's shape.

use girandole_kernels::math::Function;

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        math::{broadcast::zip, unary::function::apply_kernel},
        nn::conv::Conv,
        one,
    },
    value::Value,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) conv: Conv,
    pub(crate) has_residual: bool,
    /// Whether max(x, 0) is the last step.
    pub(crate) relu: bool,
}

impl Convolution {
    /// The bare convolution.
    pub(crate) const fn new(conv: Conv) -> Self {
        Self { conv, has_residual: false, relu: false }
    }
}

impl Op for Convolution {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        self.conv.infer(inputs, outputs)
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let residual = inputs.opt_tensor(3)?.filter(|_| self.has_residual).cloned();
        let taken = (0..3).map(|i| inputs.get(i).cloned()).collect();
        let mut made = self.conv.eval(Inputs::new(taken), run)?.into_iter();
        let mut images = made
            .next()
            .as_ref()
            .map(Value::tensor)
            .transpose()?
            .cloned()
            .unwrap_or(inputs.tensor(0)?.clone());
        if let Some(residual) = residual {
            images = zip::<f32, f32, f32>(&images, &residual, |a, b| a + b)?;
        }
        if self.relu {
            images = apply_kernel(&images, Function::RELU)?;
        }
        one(images)
    }
}
