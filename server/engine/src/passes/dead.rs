//! Removes nodes whose outputs nobody uses, among them those that were folded into constants.

use crate::graph::Graph;

/// Keeps the nodes that an output of the graph depends on.
pub(super) fn run(graph: &mut Graph) {
    let mut live = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|id| live[id.index()] = true);
    let mut kept = Vec::with_capacity(graph.nodes.len());
    while let Some(node) = graph.nodes.pop() {
        let made = node.outputs.iter().flatten();
        let needed =
            made.clone().any(|id| live[id.index()] && graph.values[id.index()].fact.constant.is_none());
        if needed {
            node.inputs.iter().flatten().for_each(|id| live[id.index()] = true);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    for (info, live) in graph.values.iter_mut().zip(live) {
        if !live {
            info.fact.constant = None;
        }
    }
}
