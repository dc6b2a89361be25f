//! `Clip`: bounds as attributes before opset 11, as optional inputs since; integers since opset 12.

use crate::{
    error::Result,
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            facts::{Takes, like_first},
            number::Number,
            parallel::map,
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("Clip", 1, parse)];

/// The bounds given by attributes; those given by inputs come first.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) min: Option<f32>,
    pub(crate) max: Option<f32>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    if node.opset() < 11 {
        boxed(Clip { min: node.float("min")?, max: node.float("max")? })
    } else {
        boxed(Clip { min: None, max: None })
    }
}

impl Op for Clip {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        like_first(inputs, Takes::Numbers, None)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (min, max) = (inputs.opt_tensor(1)?, inputs.opt_tensor(2)?);
        one(dispatch!(input.elem(), Number, T => {
            let min = bound::<T>(min, self.min, T::LOWEST)?;
            let max = bound::<T>(max, self.max, T::HIGHEST)?;
            // The upper bound wins where they cross; NaN stays.
            map::<T, T>(input, |&x| {
                let x = if x < min { min } else { x };
                if x > max { max } else { x }
            })
        })?)
    }
}

fn bound<T: Number>(input: Option<&Tensor>, attribute: Option<f32>, default: T) -> Result<T> {
    match (input, attribute) {
        (Some(tensor), _) => tensor.to_scalar::<T>(),
        (None, Some(value)) => Ok(T::from_f64(f64::from(value))),
        (None, None) => Ok(default),
    }
}
