//! `Equal`, `Less`, `LessOrEqual`, `Greater`, `GreaterOrEqual`. Since opset 1; broadcasting since 7.

use super::legacy;
use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
        },
        one,
    },
    value::{Bool, ElemType, Element, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Equal", 1, |n| legacy::check(n).and_then(|()| boxed(Compare::Equal))),
    OpDef::onnx("Less", 1, |n| legacy::check(n).and_then(|()| boxed(Compare::Less))),
    OpDef::onnx("LessOrEqual", 12, |_| boxed(Compare::LessOrEqual)),
    OpDef::onnx("Greater", 1, |n| legacy::check(n).and_then(|()| boxed(Compare::Greater))),
    OpDef::onnx("GreaterOrEqual", 12, |_| boxed(Compare::GreaterOrEqual)),
];

#[derive(Clone, Copy, Debug)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Op for Compare {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let takes = if matches!(self, Self::Equal) { Takes::Any } else { Takes::Numbers };
        broadcast_all(inputs, takes, Some(ElemType::Bool))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(match self {
            Self::Equal => {
                dispatch!(a.elem(), Any, T => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a == b)))
            }
            _ => dispatch!(a.elem(), Number, T => self.order::<T>(a, b)),
        }?)
    }
}

impl Compare {
    fn order<T: Element + PartialOrd>(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Self::Less => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a < b)),
            Self::LessOrEqual => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a <= b)),
            Self::Greater => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a > b)),
            Self::Equal | Self::GreaterOrEqual => zip::<T, T, Bool>(a, b, |a, b| Bool::new(a >= b)),
        }
    }
}
