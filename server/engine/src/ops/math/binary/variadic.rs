//! `Min`, `Max`, `Sum`, `Mean` of any number of inputs. Since opset 1; broadcasting since 8.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
            number::Number,
            parallel::map,
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Min", 1, |_| boxed(Variadic::Min)),
    OpDef::onnx("Max", 1, |_| boxed(Variadic::Max)),
    OpDef::onnx("Sum", 1, |_| boxed(Variadic::Sum)),
    OpDef::onnx("Mean", 1, |_| boxed(Variadic::Mean)),
];

/// `Min`, `Max`, `Sum`, `Mean`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variadic {
    Min,
    Max,
    Sum,
    Mean,
}

impl Op for Variadic {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let takes = if matches!(self, Self::Min | Self::Max) { Takes::Numbers } else { Takes::Floats };
        broadcast_all(inputs, takes, None)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let all = inputs.tensors()?;
        let (first, rest) =
            all.split_first().ok_or_else(|| OpError::invalid("expected at least one input"))?;
        one(dispatch!(first.elem(), Number, T => self.fold::<T>(first, rest))?)
    }
}

impl Variadic {
    fn fold<T: Number>(self, first: &Tensor, rest: &[&Tensor]) -> Result<Tensor> {
        let pair = |a: &Tensor, b: &Tensor| match self {
            Self::Min => zip::<T, T, T>(a, b, |a, &b| a.minimum(b)),
            Self::Max => zip::<T, T, T>(a, b, |a, &b| a.maximum(b)),
            Self::Sum | Self::Mean => zip::<T, T, T>(a, b, |a, &b| a.add(b)),
        };
        let folded = rest.iter().try_fold(first.clone(), |folded, next| pair(&folded, next))?;
        if !matches!(self, Self::Mean) {
            return Ok(folded);
        }
        let count = T::from_f64((rest.len() + 1) as f64);
        map::<T, T>(&folded, |x| x.div(count))
    }
}
