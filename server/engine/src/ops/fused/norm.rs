//! Rows along the last axis brought to mean 0 and variance 1, or to a mean square of 1, then scaled and
//! shifted by fixed numbers: of `[x]`, or of the sum `[x, other]`, which broadcast; for GPUs also of a sum with a row,
//! `[x, other, bias]`.

use std::sync::Arc;

pub(crate) use girandole_kernels::norm::To;
use girandole_kernels::norm::{Norm as Kernel, Sum};

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        math::{broadcast::zip, facts::broadcast_shapes},
        one,
    },
    value::Tensor,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) to: To,
    /// Added to the variance or mean square.
    pub(crate) epsilon: f32,
    /// A number for each place of a row.
    pub(crate) scale: Arc<[f32]>,
    pub(crate) shift: Option<Arc<[f32]>>,
}

impl Norm {
    /// With the same scale for every place of rows of `width`, and no shift.
    pub(crate) fn plain(to: To, epsilon: f32, width: usize) -> Self {
        Self { to, epsilon, scale: vec![1.0; width].into(), shift: None }
    }

    fn run(&self, x: &Tensor, other: Option<&Tensor>) -> Result<Tensor> {
        let width = self.scale.len();
        if x.shape().last() != Some(&width) {
            return Err(OpError::invalid(format!("expected rows of {width}, got shape {}", x.shape())));
        }
        let other = other.map(Tensor::view::<f32>).transpose()?;
        let shift = self.shift.as_deref();
        let kernel = Kernel { to: self.to, epsilon: self.epsilon, scale: &self.scale, shift };
        let rows = kernel.apply_to(Sum { input: &x.view::<f32>()?, other: other.as_deref() })?;
        Tensor::from_vec(x.shape().clone(), rows)
    }

    /// Whether adding `other` to `x` repeats whole rows of it, if anything.
    fn repeats(&self, x: &Tensor, other: &Tensor) -> bool {
        let missing = x.rank().checked_sub(other.rank());
        let whole_rows = !other.is_empty() && other.len().is_multiple_of(self.scale.len());
        let Some(missing) = missing.filter(|_| whole_rows) else { return false };
        let ones = other.shape().iter().take_while(|&&dim| dim == 1).count();
        other.shape()[ones..] == x.shape()[missing + ones..]
    }
}

impl Op for Norm {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match inputs.get(1) {
            Some(_) => broadcast_shapes(inputs)?,
            None => inputs.shape(0).cloned(),
        };
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (x, other) = (inputs.tensor(0)?, inputs.opt_tensor(1)?);
        let biased =
            inputs.opt_tensor(2)?.map(|bias| zip::<f32, f32, f32>(x, bias, |a, b| a + b)).transpose()?;
        let x = biased.as_ref().unwrap_or(x);
        one(match other {
            Some(other) if !self.repeats(x, other) => {
                self.run(&zip::<f32, f32, f32>(x, other, |a, b| a + b)?, None)
            }
            other => self.run(x, other),
        }?)
    }

    fn constant_bytes(&self) -> usize {
        let numbers = self.scale.len() + self.shift.as_ref().map_or(0, |shift| shift.len());
        numbers * size_of::<f32>()
    }
}
