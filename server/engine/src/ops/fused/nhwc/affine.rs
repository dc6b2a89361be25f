//! `BatchNormalization` with fixed statistics of images that no convolution makes, and what follows it.

use std::sync::Arc;

use girandole_kernels::{conv::Finish, isa::Isa, pooling};

use super::{fits, split};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::Tensor,
};

/// Every place times a number for each channel, plus another.
#[derive(Clone, Debug)]
pub(crate) struct NhwcAffine {
    factors: Arc<[f32]>,
    summands: Arc<[f32]>,
    finish: Finish,
}

impl NhwcAffine {
    /// From a factor and a summand for each channel.
    pub(crate) fn new(affine: &[(f64, f64)]) -> Self {
        let factors = affine.iter().map(|&(factor, _)| factor as f32).collect();
        let summands = affine.iter().map(|&(_, summand)| summand as f32).collect();
        Self { factors, summands, finish: Finish::NONE }
    }

    /// What happens to the sums.
    pub(crate) const fn finish(&self) -> Finish {
        self.finish
    }

    /// The same with another finish.
    pub(crate) fn finished(&self, finish: Finish) -> Self {
        Self { finish, ..self.clone() }
    }
}

impl Op for NhwcAffine {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (_, _, channels) = split(input.shape())?;
        if channels != self.factors.len() {
            let expected = self.factors.len();
            return Err(OpError::invalid(format!("expected images of {expected} channels, got {channels}")));
        }
        if input.is_empty() {
            return one(input.clone());
        }
        let by = (&self.factors[..], &self.summands[..]);
        let made = pooling::affine(Isa::current(), by, &input.view::<f32>()?, self.finish);
        one(Tensor::from_vec(input.shape().clone(), fits(made)?)?)
    }
}
