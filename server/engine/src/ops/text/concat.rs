//! `StringConcat`: pairs of strings joined, with broadcasting. Since opset 20.

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
    value::{ElemType, Text},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("StringConcat", 20, |_| boxed(StringConcat))];

#[derive(Debug)]
struct StringConcat;

impl Op for StringConcat {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        broadcast_all(inputs, Takes::Any, Some(ElemType::String))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let joined = |a: &Text, b: &Text| Text::from([&a[..], &b[..]].concat());
        one(zip::<Text, Text, Text>(inputs.tensor(0)?, inputs.tensor(1)?, joined)?)
    }
}
