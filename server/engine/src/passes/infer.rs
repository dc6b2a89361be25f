//! Infers facts along the graph; what is constant is computed on the way ([`super::fold`]).

use super::{Folding, Place};
use crate::{
    error::Result,
    graph::{Fact, Graph, Node},
    ops::Facts,
};

/// Fills in the facts of every value that a node makes.
pub(super) fn run(graph: &mut Graph, place: Place, folding: &Folding) -> Result<()> {
    let nodes = std::mem::take(&mut graph.nodes);
    for node in &nodes {
        let facts = match outputs(graph, node, folding) {
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

fn outputs(graph: &Graph, node: &Node, folding: &Folding) -> Result<Vec<Fact>> {
    let facts = Facts::new(node.inputs.iter().map(|id| id.map(|id| graph.fact(id))).collect());
    let inferred = node.op.infer(&facts, node.outputs.len());
    let allowed = inferred.as_ref().map_or(true, |facts| folding.allows(facts));
    if allowed && let Some(folded) = folding.fold(node, &facts) {
        return Ok(folded);
    }
    inferred
}
