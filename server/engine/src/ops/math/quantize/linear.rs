//! `QuantizeLinear`: round(x / scale) + zero point, saturated; the type is the zero point's, or
//! `output_dtype`'s, or UINT8.

use super::grid::{Granularity, Grid};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            number::Number,
            parallel::{allocate, fill},
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("QuantizeLinear", 10, parse)];

#[derive(Debug)]
struct Quantize {
    granularity: Granularity,
    elem: Option<ElemType>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let elem = match node.int_or("output_dtype", 0)? {
        0 => None,
        number => Some(ElemType::from_onnx(i32::try_from(number).unwrap_or(-1))?),
    };
    boxed(Quantize { granularity: Granularity::parse(node)?, elem })
}

impl Op for Quantize {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let default = if inputs.get(2).is_some() { None } else { Some(ElemType::U8) };
        let elem = inputs.elem(2).or(self.elem).or(default);
        Ok(vec![Fact::tensor(elem, inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, scale, zero) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        let elem = zero.map(Tensor::elem).or(self.elem).unwrap_or(ElemType::U8);
        let grid = self.granularity.grid(input.shape(), scale.shape())?;
        if zero.is_some_and(|zero| zero.len() != scale.len()) {
            return Err(OpError::invalid("as many zero points as scales are expected"));
        }
        let (input, scale) = (floats(input)?, floats(scale)?);
        one(dispatch!(elem, Int, Q => quantize::<Q>(&input, &scale, zero, grid))?)
    }
}

fn quantize<Q: Number>(input: &Tensor, scale: &Tensor, zero: Option<&Tensor>, grid: Grid) -> Result<Tensor> {
    let (elements, scales) = (input.view::<f32>()?, scale.view::<f32>()?);
    let (elements, scales): (&[f32], &[f32]) = (&elements, &scales);
    let zeros: Vec<Q> = match zero {
        Some(zero) => zero.to_vec()?,
        None => vec![Q::ZERO; scales.len()],
    };
    let mut out = allocate::<Q>(input.shape())?;
    fill(&mut out, 1, &|start, chunk| {
        for (i, (to, &x)) in chunk.iter_mut().zip(&elements[start..]).enumerate() {
            let place = grid.place(start + i);
            let quotient = f64::from((x / scales[place]).round_ties_even());
            // The conversion saturates.
            *to = Q::from_f64(quotient + zeros[place].to_f64());
        }
    });
    Tensor::from_vec(input.shape().clone(), out)
}

/// The elements as f32, in which the division is done.
pub(super) fn floats(tensor: &Tensor) -> Result<Tensor> {
    match tensor.elem() {
        ElemType::F32 => Ok(tensor.clone()),
        elem => {
            dispatch!(elem, Number, T => crate::ops::math::parallel::map::<T, f32>(tensor, |x| x.to_f64() as f32))
        }
    }
}
