//! The order in which nodes run: every value is made before it is used, also those that a subgraph takes
//! from around it.

use std::collections::{BTreeSet, HashMap, HashSet};

use girandole_proto::onnx::{GraphProto, NodeProto};

use crate::error::{OpError, Result};

/// The nodes in an order in which every value is made before it is used, the file's own where that does.
///
/// # Errors
/// `Invalid` naming a node of the cycle where there is none.
pub(super) fn execution_order(nodes: &[NodeProto]) -> Result<Vec<usize>> {
    let mut makers = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        node.output.iter().filter(|name| !name.is_empty()).for_each(|name| {
            makers.insert(name.as_str(), index);
        });
    }
    let mut waiting_for = vec![0usize; nodes.len()];
    let mut users = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for maker in used_names(node).iter().filter_map(|name| makers.get(name)) {
            users[*maker].push(index);
            waiting_for[index] += 1;
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&i| waiting_for[i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for &user in &users[index] {
            waiting_for[user] -= 1;
            if waiting_for[user] == 0 {
                ready.insert(user);
            }
        }
    }
    match waiting_for.iter().position(|&count| count > 0) {
        Some(index) => {
            Err(OpError::invalid(format!("the graph has a cycle through {}", place(&nodes[index], index))))
        }
        None => Ok(order),
    }
}

/// The names that a node uses: its inputs, and what its subgraphs take from around them.
fn used_names(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> =
        node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    let graphs = node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs));
    graphs.for_each(|graph| names.extend(free_names(graph)));
    names
}

fn free_names(graph: &GraphProto) -> Vec<&str> {
    let inputs = graph.input.iter().map(|input| input.name.as_str());
    let made = graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    let constants = graph.initializer.iter().map(|tensor| tensor.name.as_str());
    let own: HashSet<&str> = inputs.chain(made).chain(constants).collect();
    let outputs = graph.output.iter().map(|output| output.name.as_str());
    graph.node.iter().flat_map(used_names).chain(outputs).filter(|name| !own.contains(name)).collect()
}

/// A node for messages: its name, or its number in the file.
pub(super) fn place(node: &NodeProto, index: usize) -> String {
    let op = shortened(&node.op_type);
    if node.name.is_empty() {
        format!("node {index} ({op})")
    } else {
        format!("node '{}' ({op})", shortened(&node.name))
    }
}

/// The beginning of a name: every node that a call makes keeps a copy of it.
fn shortened(name: &str) -> &str {
    const LONGEST: usize = 160;
    &name[..name.floor_char_boundary(LONGEST)]
}
