//! `DequantizeLinear`: (x - zero point) * scale, in the scale's type.

use super::{
    grid::{Granularity, Grid},
    linear::floats,
};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            number::{Number, Real},
            parallel::{allocate, fill},
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] =
    &[OpDef::onnx("DequantizeLinear", 10, |n| boxed(Dequantize { granularity: Granularity::parse(n)? }))];

#[derive(Debug)]
struct Dequantize {
    granularity: Granularity,
}

impl Op for Dequantize {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(1), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, scale, zero) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        let grid = self.granularity.grid(input.shape(), scale.shape())?;
        if zero.is_some_and(|zero| zero.len() != scale.len() || zero.elem() != input.elem()) {
            return Err(OpError::invalid(
                "as many zero points as scales are expected, of the input's element type",
            ));
        }
        let (scales, elem) = (floats(scale)?, scale.elem());
        let scales = scales.view::<f32>()?;
        one(dispatch!(elem, Float, F => dispatch!(input.elem(), Int, Q => {
            dequantize::<Q, F>(input, &scales, zero, grid)
        }))?)
    }
}

fn dequantize<Q: Number, F: Real>(
    input: &Tensor,
    scales: &[f32],
    zero: Option<&Tensor>,
    grid: Grid,
) -> Result<Tensor> {
    let elements = input.view::<Q>()?;
    let elements: &[Q] = &elements;
    let zeros: Vec<Q> = match zero {
        Some(zero) => zero.to_vec()?,
        None => vec![Q::ZERO; scales.len()],
    };
    let mut out = allocate::<F>(input.shape())?;
    fill(&mut out, 1, &|start, chunk| {
        for (i, (to, x)) in chunk.iter_mut().zip(&elements[start..]).enumerate() {
            let place = grid.place(start + i);
            *to = F::from_f64((x.to_f64() - zeros[place].to_f64()) * f64::from(scales[place]));
        }
    });
    Tensor::from_vec(input.shape().clone(), out)
}
