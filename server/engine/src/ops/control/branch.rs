//! `If`: one of two subgraphs runs. Since opset 1.

use smallvec::smallvec;

use super::body::Body;
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::Bool,
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("If", 1, |node| {
    let (yes, no) = (Body::parse(node, "then_branch")?, Body::parse(node, "else_branch")?);
    if yes.output_count() != no.output_count() || yes.output_count() < node.output_count() {
        return Err(OpError::invalid("the branches differ in their outputs"));
    }
    boxed(If { yes, no })
})];

#[derive(Debug)]
struct If {
    yes: Body,
    no: Body,
}

impl Op for If {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let condition = inputs.get(0).and_then(Fact::constant_tensor);
        if let Some(condition) = condition.and_then(|c| c.to_scalar::<Bool>().ok()) {
            let taken = if condition.get() { &self.yes } else { &self.no };
            return Ok(taken.facts().iter().take(outputs).map(Fact::without_constant).collect());
        }
        Ok(self.yes.facts().iter().zip(self.no.facts()).take(outputs).map(|(a, b)| a.common(b)).collect())
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let condition = inputs.tensor(0)?.to_scalar::<Bool>()?.get();
        let mut values = inputs.into_values();
        let taken = if condition { &self.yes } else { &self.no };
        let captured = taken.take_captured(&mut values)?;
        Ok(taken.run(smallvec![], captured, run)?.into())
    }

    fn keeps_types(&self) -> bool {
        true
    }
}
