//! `BatchNormalization` with given statistics (inference). Since opset 1; 7 drops `is_test`, 9 `spatial`, 14
//! adds `training_mode`, 15 lets scale and statistics have types of their own. Training is refused.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::{parallel, real::Real},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::real::{self, elements, real};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("BatchNormalization", 1, parse)];

/// `BatchNormalization`.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    pub(crate) epsilon: f32,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let trains =
        if node.opset() < 7 { !node.flag("is_test", false)? } else { node.flag("training_mode", false)? };
    if trains {
        return Err(OpError::unsupported("training_mode of BatchNormalization is not supported"));
    }
    if !node.flag("spatial", true)? {
        return Err(OpError::unsupported("BatchNormalization with statistics per place is not supported"));
    }
    boxed(BatchNorm { epsilon: node.float_or("epsilon", 1e-5)? })
}

impl BatchNorm {
    /// Factor and summand of each channel, where inputs 1 to 4 are these; `None` where they are not f32 or not of
    /// one length.
    pub(crate) fn fixed(&self, parameters: [&Tensor; 4]) -> Option<Vec<(f64, f64)>> {
        let [scale, shift, mean, variance] = parameters.map(|tensor| tensor.to_vec::<f32>().ok());
        let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
        let one_length = [&shift, &mean, &variance].iter().all(|all| all.len() == scale.len());
        let of = |channel: usize| {
            let deviation = (f64::from(variance[channel]) + f64::from(self.epsilon)).sqrt();
            let factor = f64::from(scale[channel]) / deviation;
            (factor, f64::from(shift[channel]) - f64::from(mean[channel]) * factor)
        };
        one_length.then(|| (0..scale.len()).map(of).collect())
    }

    /// Factor and summand of each channel.
    fn affine<T: Real>(&self, inputs: &Inputs, channels: usize) -> Result<Vec<(T, T)>> {
        let parameter = |i: usize| -> Result<_> {
            let values = elements::<T>(inputs.tensor(i)?)?;
            if values.len() != channels {
                let came = values.len();
                return Err(OpError::invalid(format!("input {i} must have {channels} elements, got {came}")));
            }
            Ok(values)
        };
        let (scale, shift, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        let epsilon = T::of(f64::from(self.epsilon));
        let affine = |c: usize| {
            let factor = scale[c] / (variance[c] + epsilon).sqrt();
            (factor, shift[c] - mean[c] * factor)
        };
        Ok((0..channels).map(affine).collect())
    }

    fn run<T: Real>(&self, input: &Tensor, inputs: &Inputs) -> Result<Tensor> {
        let shape = input.shape();
        let channels = if shape.len() > 1 { shape[1] } else { 1 };
        let places: usize = shape.iter().skip(2).product();
        let affine = self.affine::<T>(inputs, channels)?;
        checked_len::<T>(shape)?;
        let mut out = elements::<T>(input)?.to_vec();
        let steps = out.len();
        parallel::chunks(&mut out, places, steps, |plane, values| {
            let (factor, shift) = affine.get(plane % channels).copied().unwrap_or_default();
            values.iter_mut().for_each(|v| *v = *v * factor + shift);
            Ok(())
        })?;
        real::tensor(input.elem(), shape, out)
    }
}

impl Op for BatchNorm {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let mut facts = vec![Fact::default(); outputs];
        if let Some(first) = facts.first_mut() {
            *first = Fact::tensor(inputs.elem(0), inputs.shape(0).cloned());
        }
        Ok(facts)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        real!(input.elem(), T => one(self.run::<T>(input, &inputs)?))
    }
}
