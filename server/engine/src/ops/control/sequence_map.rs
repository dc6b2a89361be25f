//! `SequenceMap`: a subgraph on each item of sequences that go along, with tensors that stay. Since opset 17.

use std::sync::Arc;

use super::body::{Body, Formals};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::Value,
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("SequenceMap", 17, parse)];

#[derive(Debug)]
struct SequenceMap {
    body: Body,
    inputs: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let body = Body::parse(node, "body")?;
    let inputs = node.input_count();
    if body.input_count() != inputs || body.output_count() < node.output_count() {
        return Err(OpError::invalid(format!(
            "the body of a map over {inputs} inputs has {} inputs and {} outputs",
            body.input_count(),
            body.output_count()
        )));
    }
    boxed(SequenceMap { body, inputs })
}

impl SequenceMap {
    /// What the body takes for item `i`.
    fn formals(all: &[Value], i: usize) -> Result<Formals> {
        let formal = |value: &Value| match value {
            Value::Sequence(items) => items.get(i).cloned().ok_or_else(|| {
                OpError::invalid(format!("a sequence of {} is shorter than the first one", items.len()))
            }),
            other => Ok(other.clone()),
        };
        all.iter().map(formal).collect()
    }
}

impl Op for SequenceMap {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::default(); outputs])
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let mut values = inputs.into_values();
        let captured = self.body.take_captured(&mut values)?;
        let all = values.into_iter().take(self.inputs);
        let missing = || OpError::invalid("an input of the map is missing");
        let all = all.map(|value| value.ok_or_else(missing)).collect::<Result<Vec<_>>>()?;
        let Some(Value::Sequence(first)) = all.first() else {
            return Err(OpError::invalid("the first input of a map must be a sequence"));
        };
        let mut mapped = vec![Vec::with_capacity(first.len()); self.body.output_count()];
        for i in 0..first.len() {
            run.check_iteration(i as u64)?;
            let made = self.body.run(Self::formals(&all, i)?, captured.clone(), run)?;
            for (items, value) in mapped.iter_mut().zip(made) {
                // Only tensors go into a sequence.
                value.tensor()?;
                items.push(value);
            }
        }
        Ok(mapped.into_iter().map(|items| Value::Sequence(Arc::new(items))).collect())
    }

    fn keeps_types(&self) -> bool {
        true
    }
}
