//! `Mul` of images `[batch, places..., channels]` and one number for each image's each channel,
//! `[batch, 1..., channels]`, as squeeze and excitation has it.

use girandole_kernels::{isa::Isa, pooling};

use super::{fits, split};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::Tensor,
};

/// The product of input 0, the images, and input 1, the numbers.
#[derive(Debug)]
pub(crate) struct NhwcScale;

impl Op for NhwcScale {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, factors) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let (batch, axes, channels) = split(input.shape())?;
        let (rows, ones, width) = split(factors.shape())?;
        if rows != batch || width != channels || ones.iter().any(|&one| one != 1) {
            return Err(OpError::invalid(format!(
                "factors {} do not fit images {}",
                factors.shape(),
                input.shape()
            )));
        }
        if input.is_empty() {
            return one(input.clone());
        }
        let places = axes.iter().product();
        let (x, factors) = (input.view::<f32>()?, factors.view::<f32>()?);
        let made = pooling::scale(Isa::current(), batch, places, &x, &factors);
        one(Tensor::from_vec(input.shape().clone(), fits(made)?)?)
    }
}
