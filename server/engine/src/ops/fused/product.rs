//! A product with weights as the file has them, and what follows it: `activation(alpha * x W + bias + residual)`.
//! The form that GPUs take; a processor runs [`super::linear`], and this one only in the tests of the rules.
//!
//! Inputs: x, `[.., k]` of f32, W, `[k, n]` or turned `[n, k]`, the bias `[n]` and the residual `[.., n]`, both
//! optional.

use girandole_kernels::math::Function;

use super::linear::Linear;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, Outputs, RunContext},
    value::{Tensor, Value},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    /// Whether the weights are `[n, k]`.
    pub(crate) turned: bool,
    /// Multiplied with the product.
    pub(crate) alpha: f32,
    pub(crate) has_bias: bool,
    pub(crate) has_residual: bool,
    pub(crate) activation: Option<Function>,
}

impl Product {
    /// The bare product.
    pub(crate) const fn new(turned: bool, alpha: f32) -> Self {
        Self { turned, alpha, has_bias: false, has_residual: false, activation: None }
    }

    /// The same with a bias as input 2.
    pub(crate) const fn with_bias(&self) -> Self {
        Self { has_bias: true, ..*self }
    }

    /// The same with something to add as input 3.
    pub(crate) const fn with_residual(&self) -> Self {
        Self { has_residual: true, ..*self }
    }

    /// The same with a function applied last.
    pub(crate) const fn with_activation(&self, function: Function) -> Self {
        Self { activation: Some(function), ..*self }
    }

    /// Rows and columns of the weights, and columns of the result.
    ///
    /// # Errors
    /// `Invalid` where they are no matrix or do not fit `x`.
    pub(crate) fn sizes(&self, x: &[usize], weights: &[usize]) -> Result<(usize, usize)> {
        let misfit = || OpError::invalid(format!("cannot multiply {x:?} by weights {weights:?}"));
        let &[rows, columns] = weights else { return Err(misfit()) };
        let (k, n) = if self.turned { (columns, rows) } else { (rows, columns) };
        if x.last() == Some(&k) { Ok((k, n)) } else { Err(misfit()) }
    }
}

impl Op for Product {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let columns = inputs.shape(1).and_then(|shape| shape.get(usize::from(!self.turned)).cloned());
        let shape = inputs.shape(0).filter(|shape| !shape.is_empty()).map(|shape| {
            let rows = shape[..shape.len() - 1].iter().cloned();
            rows.chain([columns.unwrap_or(SymDim::Unknown)]).collect()
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let mut linear = Linear::new(inputs.tensor(1)?, self.turned, self.alpha)?;
        if let Some(bias) = inputs.opt_tensor(2)? {
            linear = linear.with_bias(bias.to_vec::<f32>()?.into());
        }
        let residual = inputs.opt_tensor(3)?.filter(|_| self.has_residual).cloned();
        if residual.is_some() {
            linear = linear.with_residual();
        }
        if let Some(function) = self.activation {
            linear = linear.with_activation(function);
        }
        let x: &Tensor = inputs.tensor(0)?;
        linear.eval(Inputs::new(vec![Some(x.clone().into()), residual.map(Value::Tensor)]), run)
    }
}
