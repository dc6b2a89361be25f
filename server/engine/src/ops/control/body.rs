//! A subgraph as control flow runs it: its own inputs, then the values it captured.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::{NodeDef, Subgraph},
    ops::RunContext,
    value::Value,
};

/// A subgraph's own inputs.
pub(super) type Formals = SmallVec<[Value; 4]>;

/// A planned subgraph of a node.
#[derive(Debug)]
pub(super) struct Body(Subgraph);

impl Body {
    pub(super) fn parse(node: &NodeDef<'_>, name: &str) -> Result<Self> {
        node.subgraph(name).map(Self)
    }

    pub(super) const fn input_count(&self) -> usize {
        self.0.formal_inputs
    }

    pub(super) const fn output_count(&self) -> usize {
        self.0.outputs.len()
    }

    /// What is known of the outputs.
    pub(super) fn facts(&self) -> &[Fact] {
        &self.0.outputs
    }

    /// The captured values among a node's inputs, taken out: the node reads each once.
    pub(super) fn take_captured(&self, values: &mut [Option<Value>]) -> Result<Vec<Value>> {
        let captured = self.0.captures.iter().map(|&i| values.get_mut(i).and_then(Option::take));
        captured.map(|value| value.ok_or_else(|| OpError::invalid("a captured value is missing"))).collect()
    }

    /// Runs it once.
    pub(super) fn run(&self, formals: Formals, captured: Vec<Value>, run: &RunContext) -> Result<Vec<Value>> {
        let mut inputs = formals.into_vec();
        inputs.extend(captured);
        self.0.plan.run(inputs, run)
    }
}
