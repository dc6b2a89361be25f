//! A product with fixed weights and what follows it: `activation(scale * x W + bias + residual)`.
//!
//! Inputs: x, `[.., k]` of f32, and where one is added the residual, which may broadcast.
//! The result is `[.., n]`.

use std::sync::Arc;

use girandole_kernels::{
    gemm::{self, Epilogue, Packed, Rows, Weights},
    isa::Isa,
    math::Function,
};
use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        math::{broadcast::zip, facts::broadcast_shapes, unary::function::apply_kernel},
        nn::real::Strided,
        one,
    },
    value::{Tensor, checked_len},
};

/// The operator. Clones share the weights.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    weights: Arc<Packed>,
    bias: Option<Arc<[f32]>>,
    has_residual: bool,
    activation: Option<Function>,
}

impl Linear {
    /// The product with the matrix `weights` (`[k, n]`, or `[n, k]` where it is `turned`), times `scale`.
    ///
    /// # Errors
    /// `Invalid` where it is no matrix of f32.
    pub(crate) fn new(weights: &Tensor, turned: bool, scale: f32) -> Result<Self> {
        let strided = Strided::<f32>::new(weights)?;
        let ([rows, columns], [row_stride, column_stride]) = (&weights.shape()[..], &strided.strides[..])
        else {
            return Err(OpError::invalid(format!("expected a matrix, got shape {}", weights.shape())));
        };
        let data = strided.all().get(strided.start..).unwrap_or_default();
        let scaled: Vec<f32>;
        let data = if scale == 1.0 {
            data
        } else {
            scaled = data.iter().map(|weight| weight * scale).collect();
            &scaled
        };
        let lay = |k, n, row_stride, column_stride| Weights { data, k, n, row_stride, column_stride };
        let weights = if turned {
            lay(*columns, *rows, *column_stride, *row_stride)
        } else {
            lay(*rows, *columns, *row_stride, *column_stride)
        };
        let weights = Arc::new(Packed::new(Isa::current(), &weights)?);
        Ok(Self { weights, bias: None, has_residual: false, activation: None })
    }

    /// Whether both have the same packed weights, not only equal ones.
    #[cfg(test)]
    pub(crate) fn shares_weights(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.weights, &other.weights)
    }

    /// Columns of the weights, and the last dimension of the result.
    pub(crate) fn n(&self) -> usize {
        self.weights.n()
    }

    /// Whether a bias is added already.
    pub(crate) const fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    /// Whether something may still be added.
    pub(crate) const fn takes_residual(&self) -> bool {
        !self.has_residual && self.activation.is_none()
    }

    /// Whether a function may still be applied.
    pub(crate) const fn takes_activation(&self) -> bool {
        self.activation.is_none()
    }

    /// The same with a bias, one number for each column.
    pub(crate) fn with_bias(&self, bias: Arc<[f32]>) -> Self {
        Self { bias: Some(bias), ..self.clone() }
    }

    /// The same with a second input that is added.
    pub(crate) fn with_residual(&self) -> Self {
        Self { has_residual: true, ..self.clone() }
    }

    /// The same with a function applied last.
    pub(crate) fn with_activation(&self, function: Function) -> Self {
        Self { activation: Some(function), ..self.clone() }
    }

    fn run(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let Some((&k, rows)) = x.shape().split_last() else {
            return Err(OpError::invalid("expected a vector or a matrix to multiply, got a scalar"));
        };
        if k != self.weights.k() {
            let n = self.weights.n();
            return Err(OpError::invalid(format!(
                "cannot multiply {} by {}x{n}",
                x.shape(),
                self.weights.k()
            )));
        }
        let shape: SmallVec<[usize; 6]> = rows.iter().copied().chain([self.weights.n()]).collect();
        checked_len::<f32>(&shape)?;
        let numbers = x.view::<f32>()?;
        let rows = Rows::dense(&numbers, rows.iter().product(), k)?;
        let residual = residual.filter(|_| self.has_residual);
        let Some(other) = residual.filter(|residual| residual.shape()[..] != shape[..]) else {
            let residual = residual.map(Tensor::view::<f32>).transpose()?;
            let residual = residual.as_deref();
            let epilogue = Epilogue { bias: self.bias.as_deref(), residual, activation: self.activation };
            return Tensor::from_vec(&shape[..], gemm::product(&rows, &self.weights, &epilogue)?);
        };
        // What is added broadcasts.
        let epilogue = Epilogue { bias: self.bias.as_deref(), ..Epilogue::default() };
        let product = Tensor::from_vec(&shape[..], gemm::product(&rows, &self.weights, &epilogue)?)?;
        let sum = zip::<f32, f32, f32>(&product, other, |a, b| a + b)?;
        self.activation.map_or(Ok(sum.clone()), |function| apply_kernel(&sum, function))
    }
}

impl Op for Linear {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).filter(|shape| !shape.is_empty()).map(|shape| {
            let rows = shape[..shape.len() - 1].iter().cloned();
            rows.chain([SymDim::Known(self.weights.n())]).collect()
        });
        let product = Fact::tensor(inputs.elem(0), shape);
        if !self.has_residual {
            return Ok(vec![product]);
        }
        let sum = Facts::new(vec![Some(&product), inputs.get(1)]);
        Ok(vec![Fact::tensor(inputs.elem(0), broadcast_shapes(&sum)?)])
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.run(inputs.tensor(0)?, inputs.opt_tensor(1)?)?)
    }

    fn constant_bytes(&self) -> usize {
        self.weights.bytes()
    }
}
