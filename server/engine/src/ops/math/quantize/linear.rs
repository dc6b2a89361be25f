//! `QuantizeLinear`: round(x / scale) + zero point, saturated; the type is the zero point's, or
//! `output_dtype`'s, or UINT8. Small floats are rounded by their own rules, after the zero point.

use super::{
    grid::{Granularity, Grid},
    numbers::{floats, whole},
};
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
    value::{ElemType, Mini, Overflow, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] =
    &[OpDef::onnx("QuantizeLinear", 10, parse), OpDef::microsoft("QuantizeLinear", parse)];

#[derive(Debug)]
struct Quantize {
    granularity: Granularity,
    elem: Option<ElemType>,
    /// What the quotient is rounded to first.
    precision: Option<ElemType>,
    overflow: Overflow,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Quantize {
        granularity: Granularity::parse(node)?,
        elem: elem_attribute(node, "output_dtype")?,
        precision: elem_attribute(node, "precision")?,
        overflow: if node.flag("saturate", true)? { Overflow::Saturate } else { Overflow::Overflow },
    })
}

/// An element type by its number; 0 is none.
///
/// # Errors
/// `Invalid` for a number that is no type's.
pub(super) fn elem_attribute(node: &NodeDef<'_>, name: &str) -> Result<Option<ElemType>> {
    match node.int_or(name, 0)? {
        0 => Ok(None),
        number => ElemType::from_onnx(i32::try_from(number).unwrap_or(-1)).map(Some),
    }
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
        let (elements, scales) = (input.view::<f32>()?, scale.view::<f32>()?);
        let quotients = Quotients { elements: &elements, scales: &scales, grid, precision: self.precision };
        let shape = input.shape();
        match elem {
            ElemType::Mini(mini) => one(self.minis(mini, &quotients, zero, shape)?),
            elem => one(dispatch!(elem, Int, Q => integers::<Q>(&quotients, zero, shape))?),
        }
    }
}

/// The elements, each divided by its scale.
struct Quotients<'a> {
    elements: &'a [f32],
    scales: &'a [f32],
    grid: Grid,
    precision: Option<ElemType>,
}

impl Quotients<'_> {
    /// Calls `quantize` with the quotient of each element from `start` and the place of its scale.
    fn each<T>(&self, start: usize, out: &mut [T], quantize: impl Fn(f32, usize) -> T) {
        for (i, (to, &x)) in out.iter_mut().zip(&self.elements[start..]).enumerate() {
            let place = self.grid.place(start + i);
            *to = quantize(self.rounded(x / self.scales[place]), place);
        }
    }

    fn rounded(&self, quotient: f32) -> f32 {
        match self.precision {
            Some(ElemType::F16) => half::f16::from_f32(quotient).to_f32(),
            Some(ElemType::BF16) => half::bf16::from_f32(quotient).to_f32(),
            _ => quotient,
        }
    }
}

fn integers<Q: Number>(quotients: &Quotients<'_>, zero: Option<&Tensor>, shape: &[usize]) -> Result<Tensor> {
    let zeros: Vec<Q> = match zero {
        Some(zero) => zero.to_vec()?,
        None => vec![Q::ZERO; quotients.scales.len()],
    };
    let mut out = allocate::<Q>(shape)?;
    fill(&mut out, 1, &|start, chunk| {
        // The conversion saturates.
        quotients.each(start, chunk, |quotient, place| {
            Q::from_f64(f64::from(quotient.round_ties_even()) + zeros[place].to_f64())
        });
    });
    Tensor::from_vec(shape, out)
}

impl Quantize {
    fn minis(
        &self,
        mini: Mini,
        quotients: &Quotients<'_>,
        zero: Option<&Tensor>,
        shape: &[usize],
    ) -> Result<Tensor> {
        let zeros = match zero {
            Some(zero) => floats(&whole(zero)?)?.to_vec::<f32>()?,
            None => vec![0.0; quotients.scales.len()],
        };
        let mut out = allocate::<u8>(shape)?;
        fill(&mut out, 1, &|start, chunk| {
            quotients.each(start, chunk, |quotient, place| {
                if mini.is_int() {
                    mini.clamp(quotient.round_ties_even() + zeros[place])
                } else {
                    mini.encode(quotient + zeros[place], self.overflow)
                }
            });
        });
        Tensor::from_codes(mini, shape, out)
    }
}
