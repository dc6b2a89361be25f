//! Changes of a graph: its nodes, constants, inputs and outputs, and of the graphs inside it.

use girandole_proto::onnx::{GraphProto, NodeProto, ValueInfoProto};

use super::{Random, node, tensor, types};

/// How many nodes a graph may grow to.
const MOST_NODES: usize = 256;

/// Makes one change, mostly of a node.
pub(super) fn change(graph: &mut GraphProto, random: &mut Random) {
    let (nodes, constants, inputs) = (graph.node.len(), graph.initializer.len(), graph.input.len());
    match random.below(20) {
        0..=8 if nodes > 0 => {
            let names = names(graph);
            node::change(&mut graph.node[random.below(nodes)], &names, random);
        }
        9..=12 if constants > 0 => tensor::change(&mut graph.initializer[random.below(constants)], random),
        13 | 14 if inputs > 0 => types::change(&mut graph.input[random.below(inputs)], random),
        15 => change_nodes(&mut graph.node, random),
        16 => change_outputs(graph, random),
        17 if constants > 0 => to_input(graph, random),
        _ if nodes > 1 => {
            let (a, b) = (random.below(nodes), random.below(nodes));
            graph.node.swap(a, b);
        }
        _ => {}
    }
}

/// The names that are given or made in a graph.
pub(super) fn names(graph: &GraphProto) -> Vec<String> {
    let constants = graph.initializer.iter().map(|tensor| tensor.name.clone());
    let inputs = graph.input.iter().map(|input| input.name.clone());
    let made = graph.node.iter().flat_map(|node| node.output.iter().cloned());
    constants.chain(inputs).chain(made).collect()
}

fn change_nodes(nodes: &mut Vec<NodeProto>, random: &mut Random) {
    if nodes.is_empty() {
        return;
    }
    let at = random.below(nodes.len());
    match random.below(4) {
        0 => drop(nodes.remove(at)),
        1 if nodes.len() < MOST_NODES => nodes.push(after(&nodes[at], random)),
        // A node of another operator in its place.
        2 => {
            let other = random.below(nodes.len());
            nodes[at].op_type = nodes[other].op_type.clone();
        }
        _ => {
            let other = random.below(nodes.len());
            nodes[at].attribute = nodes[other].attribute.clone();
        }
    }
}

/// A node like this one that takes what this one makes.
fn after(node: &NodeProto, random: &mut Random) -> NodeProto {
    let suffix = random.below(1 << 16);
    let mut next = node.clone();
    next.output.iter_mut().for_each(|name| *name = format!("{name}_{suffix}"));
    if let (Some(first), Some(made)) = (next.input.first_mut(), node.output.first()) {
        first.clone_from(made);
    }
    next
}

fn change_outputs(graph: &mut GraphProto, random: &mut Random) {
    let outputs = graph.output.len();
    if random.one_in(3) && outputs > 0 {
        return drop(graph.output.remove(random.below(outputs)));
    }
    let names = names(graph);
    if names.is_empty() {
        return;
    }
    let name = names[random.below(names.len())].clone();
    match graph.output.get_mut(random.below(outputs)) {
        Some(output) if random.one_in(2) => output.name = name,
        _ => graph.output.push(ValueInfoProto { name, ..Default::default() }),
    }
}

/// A constant is given from outside instead.
fn to_input(graph: &mut GraphProto, random: &mut Random) {
    let constant = graph.initializer.remove(random.below(graph.initializer.len()));
    graph.input.push(types::declaration(&constant, random));
}
