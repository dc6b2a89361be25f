//! Infers facts along the graph and folds constants on the way: a pure node of constant inputs runs now.

use std::time::Duration;

use super::Place;
use crate::{
    error::Result,
    graph::{Fact, Graph, Node},
    ops::{Facts, Inputs, RunContext},
    value::Value,
};

/// The most bytes that folding may add to a model; a larger result is made again in each run instead.
const MAX_FOLDED_BYTES: usize = 64 << 20;

/// The longest that one node may take to fold; a longer one runs in each run instead.
const MAX_FOLDING: Duration = Duration::from_secs(2);

/// Fills in the facts of every value that a node makes.
pub(super) fn run(graph: &mut Graph, place: Place) -> Result<()> {
    let nodes = std::mem::take(&mut graph.nodes);
    for node in &nodes {
        let facts = match outputs(graph, node) {
            // The other branch may be the one that these inputs take.
            Err(_) if place == Place::Node => vec![Fact::default(); node.outputs.len()],
            facts => facts.map_err(|error| error.at(&node.name))?,
        };
        for (id, fact) in node.outputs.iter().zip(facts) {
            let Some(id) = id else { continue };
            let info = &mut graph.values[id.index()];
            // The declared type comes second: exporters leave stale shapes behind.
            info.fact = fact.or(&std::mem::take(&mut info.fact));
        }
    }
    graph.nodes = nodes;
    Ok(())
}

fn outputs(graph: &Graph, node: &Node) -> Result<Vec<Fact>> {
    let facts = Facts::new(node.inputs.iter().map(|id| id.map(|id| graph.fact(id))).collect());
    let inferred = node.op.infer(&facts, node.outputs.len());
    // A result known to be too large to keep is not made first to find that out.
    let large = inferred.as_ref().is_ok_and(|facts| facts.iter().any(is_large));
    if !large && let Some(folded) = fold(node, &facts) {
        return Ok(folded);
    }
    inferred
}

fn is_large(fact: &Fact) -> bool {
    let bytes = fact.concrete_shape().zip(fact.elem).map(|(shape, elem)| {
        let size = elem.wire().size().unwrap_or(1);
        shape.elements().and_then(|len| len.checked_mul(size)).unwrap_or(usize::MAX)
    });
    bytes.is_some_and(|bytes| bytes > MAX_FOLDED_BYTES)
}

/// The node's outputs where its inputs are all constant. A node that fails here fails again, with its
/// message, when it runs: the branch that holds it may never be taken.
fn fold(node: &Node, facts: &Facts<'_>) -> Option<Vec<Fact>> {
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
    let outputs = node.op.eval(Inputs::new(values), &RunContext::within(MAX_FOLDING)).ok()?;
    let small = outputs.iter().all(|value| match value {
        Value::Tensor(tensor) => tensor.bytes() <= MAX_FOLDED_BYTES,
        _ => true,
    });
    small.then(|| outputs.iter().map(Fact::of_constant).collect())
}
