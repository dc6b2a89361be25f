//! `InstanceNormalization` (since opset 6) and `GroupNormalization` (since 18, where scale and bias stand for
//! groups; since 21 for channels): planes or groups of planes are normalised, one by one.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::{norm, parallel, real::Real},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::Tensor,
};

use super::real::{self, elements, real};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("InstanceNormalization", 6, parse_instance),
    OpDef::onnx("GroupNormalization", 18, parse_group),
];

#[derive(Debug)]
struct GroupNorm {
    epsilon: f32,
    /// `None`: every channel is a group.
    groups: Option<usize>,
    /// Whether scale and bias stand for groups.
    per_group: bool,
}

fn parse_instance(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(GroupNorm { epsilon: node.float_or("epsilon", 1e-5)?, groups: None, per_group: false })
}

fn parse_group(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let groups = node.required_int("num_groups")?;
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0)
        .ok_or_else(|| OpError::invalid(format!("num_groups must be at least 1, got {groups}")))?;
    let epsilon = node.float_or("epsilon", 1e-5)?;
    boxed(GroupNorm { epsilon, groups: Some(groups), per_group: node.opset() < 21 })
}

impl GroupNorm {
    fn run<T: Real>(&self, input: &Tensor, scale: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let [_, channels, spatial @ ..] = &input.shape()[..] else {
            return Err(OpError::invalid(format!("expected channels, got shape {}", input.shape())));
        };
        let groups = self.groups.unwrap_or(*channels);
        let parameters = if self.per_group { groups } else { *channels };
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(OpError::invalid(format!("{channels} channels do not make {groups} groups")));
        }
        if scale.len() != parameters || bias.len() != parameters {
            return Err(OpError::invalid(format!("expected {parameters} scales and biases")));
        }
        let (scale, bias) = (elements::<T>(scale)?, elements::<T>(bias)?);
        let (places, members) = (spatial.iter().product::<usize>().max(1), channels / groups);
        let epsilon = T::of(f64::from(self.epsilon));
        let mut out = elements::<T>(input)?.to_vec();
        let steps = out.len();
        parallel::chunks(&mut out, places * members, steps, |i, group| {
            let (mean, variance) = norm::moments(group);
            norm::standardise(group, mean, T::one() / (variance + epsilon).sqrt());
            for (member, plane) in group.chunks_mut(places).enumerate() {
                let channel = i % groups * members + member;
                let parameter = if self.per_group { i % groups } else { channel };
                let (factor, shift) = (scale[parameter], bias[parameter]);
                plane.iter_mut().for_each(|v| *v = *v * factor + shift);
            }
            Ok(())
        })?;
        real::tensor(input.elem(), input.shape(), out)
    }
}

impl Op for GroupNorm {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, scale, bias) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        real!(input.elem(), T => one(self.run::<T>(input, scale, bias)?))
    }
}
