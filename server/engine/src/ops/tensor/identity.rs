//! `Identity`: the input, whatever it is. Since opset 1; sequences since 14, optionals since 16.

use smallvec::smallvec;

use crate::{
    error::Result,
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, Walk, boxed},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Identity", 1, |_| boxed(Identity))];

/// `Identity`.
#[derive(Debug)]
pub(crate) struct Identity;

impl Op for Identity {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![inputs.get(0).cloned().unwrap_or_default()])
    }

    fn movement(&self, shape: &[usize], _inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        Some(Ok(vec![Walk::whole(shape)]))
    }

    fn eval(&self, mut inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        Ok(smallvec![inputs.take(0)?])
    }
}
