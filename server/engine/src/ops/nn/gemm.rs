//! `Gemm`: `alpha * A' x B' + beta * C`. Since opset 1 (before 7 C was stretched only where `broadcast` said
//! so); 11 makes C optional, 13 adds bf16.

use candle_core::WithDType;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::{
        gemm::{self, product},
        matrix::{Layout, Mat, MatMut},
        real::Real,
    },
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    broadcast,
    real::{self, Strided, elements, real},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Gemm", 1, parse)];

/// `Gemm`.
#[derive(Debug)]
pub(crate) struct Gemm {
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) turn_a: bool,
    pub(crate) turn_b: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Gemm {
        alpha: node.float_or("alpha", 1.0)?,
        beta: node.float_or("beta", 1.0)?,
        turn_a: node.flag("transA", false)?,
        turn_b: node.flag("transB", false)?,
    })
}

impl Op for Gemm {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match (inputs.shape(0).map(Vec::as_slice), inputs.shape(1).map(Vec::as_slice)) {
            (Some([a0, a1]), Some([b0, b1])) => {
                let rows = if self.turn_a { a1 } else { a0 };
                let cols = if self.turn_b { b0 } else { b1 };
                Some(vec![rows.clone(), cols.clone()])
            }
            (Some(a), Some(b)) if a.len() != 2 || b.len() != 2 => {
                return Err(OpError::invalid(format!(
                    "expected matrices, got ranks {} and {}",
                    a.len(),
                    b.len()
                )));
            }
            _ => None,
        };
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b, c) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        real!(a.elem(), T => one(self.run::<T>(a, b, c)?))
    }
}

impl Gemm {
    fn run<T: Real + WithDType>(&self, a: &Tensor, b: &Tensor, c: Option<&Tensor>) -> Result<Tensor> {
        let (left, right) = (Strided::<T>::new(a)?, Strided::<T>::new(b)?);
        let (a_layout, b_layout) = (layout(a, &left, self.turn_a)?, layout(b, &right, self.turn_b)?);
        let shape = [a_layout.rows, b_layout.cols];
        let (mut out, how) = self.begin::<T>(&shape, c)?;
        product(
            MatMut::new(&mut out, shape[0], shape[1])?,
            how,
            T::of(f64::from(self.alpha)),
            Mat::new(left.all(), left.start, a_layout)?,
            Mat::new(right.all(), right.start, b_layout)?,
        )?;
        real::tensor(a.elem(), &shape, out)
    }

    /// `beta * C`, broadcast, for the product to be added to.
    fn begin<T: Real>(&self, shape: &[usize; 2], c: Option<&Tensor>) -> Result<(Vec<T>, gemm::Into)> {
        let len = checked_len::<T>(shape)?;
        let Some(c) = c.filter(|_| self.beta != 0.0) else {
            return Ok((vec![T::zero(); len], gemm::Into::Replace));
        };
        let (values, beta) = (elements::<T>(c)?, T::of(f64::from(self.beta)));
        let mut out = if c.shape().iter().filter(|&&dim| dim != 1).count() <= 1
            && c.len() == shape[1]
            && c.shape().last() == Some(&shape[1])
        {
            values.repeat(shape[0])
        } else {
            broadcast::stretch(&values, c.shape(), shape)?
        };
        if self.beta != 1.0 {
            out.iter_mut().for_each(|v| *v *= beta);
        }
        Ok((out, gemm::Into::Add))
    }
}

fn layout<T: Real + WithDType>(tensor: &Tensor, strided: &Strided<'_, T>, turn: bool) -> Result<Layout> {
    let ([rows, cols], [row_stride, col_stride]) = (&tensor.shape()[..], &strided.strides[..]) else {
        return Err(OpError::invalid(format!("expected a matrix, got shape {}", tensor.shape())));
    };
    let layout = Layout { rows: *rows, cols: *cols, row_stride: *row_stride, col_stride: *col_stride };
    Ok(if turn { layout.transposed() } else { layout })
}
