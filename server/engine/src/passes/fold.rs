//! Constants that are computed when a model loads: a pure node whose inputs are all constant runs now.
//!
//! Invariant: over all graphs of a model they take no more memory and time than [`limits`] allow; what
//! would take more is made in each run instead.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::{
    graph::{Fact, Node},
    limits,
    ops::{Facts, Inputs, RunContext},
    value::{Tensor, Value},
};

/// What a model's computed constants may still take.
#[derive(Debug)]
pub(crate) struct Folding {
    bytes: Cell<usize>,
    time: Cell<Duration>,
}

impl Default for Folding {
    fn default() -> Self {
        Self { bytes: Cell::new(limits::ALL_FOLDED_BYTES), time: Cell::new(limits::ALL_FOLDING) }
    }
}

impl Folding {
    /// Takes note of a constant that the file holds: with it grows what may be computed.
    pub(crate) fn hold(&self, constant: &Tensor) {
        let more = constant.bytes().saturating_mul(limits::FOLDED_PER_BYTE);
        self.bytes.set(self.bytes.get().saturating_add(more));
    }

    /// Whether values of which this is known may be small enough; what is not is not made to find that out.
    pub(super) fn allows(&self, facts: &[Fact]) -> bool {
        let most = self.bytes.get().min(limits::FOLDED_BYTES);
        facts.iter().filter_map(known_bytes).all(|bytes| bytes <= most)
    }

    /// The node's outputs where its inputs are all constant. A node that fails here fails again, with its
    /// message, when it runs: the branch that holds it may never be taken.
    pub(super) fn fold(&self, node: &Node, facts: &Facts<'_>) -> Option<Vec<Fact>> {
        let inputs = constants(node, facts)?;
        let begin = Instant::now();
        let run = RunContext::within(limits::FOLDING.min(self.time.get()));
        let outputs = node.op.eval(inputs, &run);
        self.time.set(self.time.get().saturating_sub(begin.elapsed()));
        let outputs = outputs.ok()?;
        let sizes = || outputs.iter().map(bytes);
        let left = sizes().try_fold(self.bytes.get(), usize::checked_sub)?;
        sizes().all(|bytes| bytes <= limits::FOLDED_BYTES).then(|| {
            self.bytes.set(left);
            outputs.iter().map(Fact::of_constant).collect()
        })
    }
}

/// The bytes of a value, where its type and shape are known.
fn known_bytes(fact: &Fact) -> Option<usize> {
    let (shape, elem) = fact.concrete_shape().zip(fact.elem)?;
    let len = shape.elements().unwrap_or(usize::MAX);
    Some(len.saturating_mul(elem.wire().size().unwrap_or(1)))
}

/// The inputs of a pure node where they are all constant.
fn constants(node: &Node, facts: &Facts<'_>) -> Option<Inputs> {
    if !node.op.is_pure() {
        return None;
    }
    let mut values = Vec::with_capacity(facts.len());
    for (fact, id) in facts.iter().zip(&node.inputs) {
        match (id, fact) {
            (None, _) => values.push(None),
            (Some(_), Some(Fact { constant: Some(value), .. })) => values.push(Some(value.clone())),
            _ => return None,
        }
    }
    Some(Inputs::new(values))
}

/// The bytes of a value and of what lies in it.
fn bytes(value: &Value) -> usize {
    match value {
        Value::Tensor(tensor) => tensor.bytes(),
        Value::Sequence(items) => items.iter().map(bytes).fold(0, usize::saturating_add),
        Value::Maps(maps) => maps.keys.bytes().saturating_add(maps.values.bytes()),
        Value::Optional(inner) => inner.as_deref().map_or(0, bytes),
    }
}
