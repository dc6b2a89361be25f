//! Functions to or from booleans and bits: `Not`, `IsNaN`, `IsInf`, `BitwiseNot`.

use std::ops;

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            facts::{Takes, like_first},
            number::Number,
            parallel::map,
        },
        one,
    },
    value::{Bool, ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Not", 1, |_| boxed(Predicate::Not)),
    OpDef::onnx("BitwiseNot", 18, |_| boxed(Predicate::BitwiseNot)),
    OpDef::onnx("IsNaN", 9, |_| boxed(Predicate::IsNaN)),
    OpDef::onnx("IsInf", 10, |n| {
        boxed(Predicate::IsInf {
            negative: n.flag("detect_negative", true)?,
            positive: n.flag("detect_positive", true)?,
        })
    }),
];

/// A function to booleans, or of bits.
#[derive(Debug)]
pub(crate) enum Predicate {
    Not,
    BitwiseNot,
    IsNaN,
    IsInf { negative: bool, positive: bool },
}

impl Op for Predicate {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        match self {
            Self::Not => like_first(inputs, Takes::Bools, None),
            Self::BitwiseNot => like_first(inputs, Takes::Ints, None),
            Self::IsNaN | Self::IsInf { .. } => like_first(inputs, Takes::Floats, Some(ElemType::Bool)),
        }
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(match *self {
            Self::Not => map::<Bool, Bool>(input, |x| Bool::new(!x.get())),
            Self::BitwiseNot => dispatch!(input.elem(), Int, T => map::<T, T>(input, |&x| ops::Not::not(x))),
            Self::IsNaN => test(input, f64::is_nan),
            Self::IsInf { negative, positive } => {
                test(input, move |x| (negative && x == f64::NEG_INFINITY) || (positive && x == f64::INFINITY))
            }
        }?)
    }
}

fn test(input: &Tensor, holds: impl Fn(f64) -> bool + Sync) -> Result<Tensor> {
    dispatch!(input.elem(), Float, T => map::<T, Bool>(input, |x| Bool::new(holds(Number::to_f64(*x)))))
}
