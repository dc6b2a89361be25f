//! `DequantizeLinear`: (x - zero point) * scale, in the scale's type or that of `output_dtype`.

use super::{
    grid::{Granularity, Grid},
    linear::elem_attribute,
    numbers::{floats, whole},
};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            number::{Number, Real},
            parallel::{allocate, fill},
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] =
    &[OpDef::onnx("DequantizeLinear", 10, parse), OpDef::microsoft("DequantizeLinear", parse)];

#[derive(Debug)]
struct Dequantize {
    granularity: Granularity,
    elem: Option<ElemType>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Dequantize { granularity: Granularity::parse(node)?, elem: elem_attribute(node, "output_dtype")? })
}

impl Op for Dequantize {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(self.elem.or_else(|| inputs.elem(1)), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, scale, zero) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        let grid = self.granularity.grid(input.shape(), scale.shape())?;
        if zero.is_some_and(|zero| zero.len() != scale.len() || zero.elem() != input.elem()) {
            return Err(OpError::invalid(
                "as many zero points as scales are expected, of the input's element type",
            ));
        }
        let (input, zero) = (whole(input)?, zero.map(whole).transpose()?);
        let (scales, elem) = (floats(scale)?, self.elem.unwrap_or_else(|| scale.elem()));
        let scales = Scales { scales: &scales.view::<f32>()?, zeros: zero.as_ref(), grid };
        one(dispatch!(elem, Float, F => match input.elem() {
            // Small floats.
            ElemType::F32 => dequantize::<f32, F>(&input, &scales),
            elem => dispatch!(elem, Int, Q => dequantize::<Q, F>(&input, &scales)),
        })?)
    }
}

/// Scales and zero points, and which belong to an element.
struct Scales<'a> {
    scales: &'a [f32],
    zeros: Option<&'a Tensor>,
    grid: Grid,
}

fn dequantize<Q: Number, F: Real>(input: &Tensor, by: &Scales<'_>) -> Result<Tensor> {
    let elements = input.view::<Q>()?;
    let elements: &[Q] = &elements;
    let zeros: Vec<Q> = match by.zeros {
        Some(zeros) => zeros.to_vec()?,
        None => vec![Q::ZERO; by.scales.len()],
    };
    let mut out = allocate::<F>(input.shape())?;
    fill(&mut out, 1, &|start, chunk| {
        let mut done = 0;
        while done < chunk.len() {
            // Runs of one scale, so that the loop over a run has nothing to look up.
            let (begin, place) = (start + done, by.grid.place(start + done));
            let end = done.saturating_add(by.grid.alike(begin)).min(chunk.len());
            let (zero, scale) = (zeros[place].to_f64(), f64::from(by.scales[place]));
            for (to, x) in chunk[done..end].iter_mut().zip(&elements[begin..]) {
                *to = F::from_f64((x.to_f64() - zero) * scale);
            }
            done = end;
        }
    });
    Tensor::from_vec(input.shape().clone(), out)
}
