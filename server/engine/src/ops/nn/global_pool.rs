//! `GlobalAveragePool`, `GlobalMaxPool`, `GlobalLpPool`: one number for each plane. Since opset 1 (`LpPool` 2);
//! 22 adds bf16.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::real::{Real, sum},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::checked_len,
};

use super::{
    average_pool::norm_of,
    real::{self, elements, real},
    window::split,
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("GlobalAveragePool", 1, |_| boxed(GlobalPool::Mean)),
    OpDef::onnx("GlobalMaxPool", 1, |_| boxed(GlobalPool::Max)),
    OpDef::onnx("GlobalLpPool", 2, parse_norm),
];

/// The operator.
#[derive(Debug)]
pub(crate) enum GlobalPool {
    Mean,
    Max,
    Norm { p: i32 },
}

fn parse_norm(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(GlobalPool::Norm { p: norm_of(node)? })
}

impl GlobalPool {
    fn pool<T: Real>(&self, plane: &[T]) -> T {
        match self {
            Self::Mean => sum(plane, |v| v) / T::count(plane.len()),
            Self::Max => plane.iter().fold(T::neg_infinity(), |most, &v| if v > most { v } else { most }),
            Self::Norm { p: 2 } => sum(plane, |v| v * v).sqrt(),
            Self::Norm { p } => sum(plane, |v| v.abs().powi(*p)).powf(T::one() / T::of(f64::from(*p))),
        }
    }
}

impl Op for GlobalPool {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| {
            let dim = |(axis, dim): (usize, &SymDim)| if axis < 2 { dim.clone() } else { SymDim::Known(1) };
            shape.iter().enumerate().map(dim).collect()
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (batch, channels, spatial) = split(input.shape())?;
        let places: usize = spatial.iter().product();
        if places == 0 {
            return Err(OpError::invalid(format!("a pool over no places: {}", input.shape())));
        }
        let mut shape = vec![1; input.rank()];
        (shape[0], shape[1]) = (batch, channels);
        checked_len::<f64>(&shape)?;
        real!(input.elem(), T => {
            let out = elements::<T>(input)?.chunks_exact(places).map(|plane| self.pool(plane)).collect();
            one(real::tensor::<T>(input.elem(), &shape, out)?)
        })
    }
}
