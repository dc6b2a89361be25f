//! `PRelu`: a slope below zero that broadcasts to the input, and not the other way. Since opset 1.

use super::legacy;
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext,
        math::{
            broadcast::zip,
            facts::{Takes, common_elem, like_first},
            number::Number,
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("PRelu", 1, |n| legacy::by_channel(n, PRelu))];

#[derive(Debug)]
struct PRelu;

impl Op for PRelu {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        common_elem(inputs, 0..2)?;
        like_first(inputs, Takes::Numbers, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (x, slope) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let out = dispatch!(x.elem(), Number, T => prelu::<T>(x, slope))?;
        if out.shape() != x.shape() {
            return Err(OpError::invalid(format!(
                "a slope of shape {} does not broadcast to {}",
                slope.shape(),
                x.shape()
            )));
        }
        one(out)
    }
}

fn prelu<T: Number>(x: &Tensor, slope: &Tensor) -> Result<Tensor> {
    zip::<T, T, T>(x, slope, |&x, &slope| if x < T::ZERO { x.mul(slope) } else { x })
}
