//! Large tables of which only rows are taken: they stay as the file has them, and what is taken becomes f32.

use std::collections::HashSet;

use super::kind::is_half;
use crate::{
    graph::{Graph, Node, ValueId},
    ops::tensor::gather::Gather,
    passes::rewrite::operator,
};

/// A smaller table is not worth a conversion in each run.
const LEAST_BYTES: usize = 1 << 20;

/// The tables of a graph with these nodes.
pub(super) fn find(graph: &Graph, nodes: &[Node]) -> HashSet<ValueId> {
    let is_large = |id: &ValueId| {
        let tensor = graph.fact(*id).constant_tensor();
        tensor.is_some_and(|tensor| is_half(tensor.elem()) && tensor.bytes() >= LEAST_BYTES)
    };
    let whole = nodes.iter().flat_map(|node| {
        let rows_alone = usize::from(taken_from(node).is_some());
        node.inputs.iter().skip(rows_alone).flatten()
    });
    let whole: HashSet<ValueId> = whole.chain(&graph.outputs).copied().collect();
    nodes.iter().filter_map(taken_from).filter(|id| is_large(id) && !whole.contains(id)).collect()
}

/// What a node takes rows of.
pub(super) fn taken_from(node: &Node) -> Option<ValueId> {
    operator::<Gather>(node).and_then(|_| node.input(0))
}
