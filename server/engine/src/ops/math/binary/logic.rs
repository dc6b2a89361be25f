//! `And`, `Or`, `Xor` of booleans. Since opset 1; broadcasting since 7.

use super::legacy;
use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
        },
        one,
    },
    value::{Bool, Tensor},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("And", 1, |n| legacy::aligned(n, Logic::And)),
    OpDef::onnx("Or", 1, |n| legacy::aligned(n, Logic::Or)),
    OpDef::onnx("Xor", 1, |n| legacy::aligned(n, Logic::Xor)),
];

/// A function of two truths.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

impl Op for Logic {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        broadcast_all(inputs, Takes::Bools, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(match self {
            Self::And => each(a, b, |a, b| a & b),
            Self::Or => each(a, b, |a, b| a | b),
            Self::Xor => each(a, b, |a, b| a ^ b),
        }?)
    }
}

fn each(a: &Tensor, b: &Tensor, f: impl Fn(bool, bool) -> bool + Sync) -> Result<Tensor> {
    zip::<Bool, Bool, Bool>(a, b, |a, b| Bool::new(f(a.get(), b.get())))
}
