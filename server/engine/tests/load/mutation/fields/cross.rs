//! Parts of one model in another: a node behind a value, a constant, an attribute.

use girandole_proto::onnx::{GraphProto, ModelProto, OperatorSetIdProto};

use super::{Random, graph::names};

/// Puts a part of `other` into `model`.
pub(crate) fn cross(model: &mut ModelProto, other: &ModelProto, random: &mut Random) {
    let (Some(graph), Some(others)) = (&mut model.graph, &other.graph) else { return };
    match random.below(8) {
        0 => swap_constant(graph, others, random),
        1 => swap_attribute(graph, others, random),
        _ => append(graph, others, random),
    }
    for set in &other.opset_import {
        if !model.opset_import.iter().any(|own| own.domain == set.domain) {
            model.opset_import.push(OperatorSetIdProto { domain: set.domain.clone(), version: set.version });
        }
    }
    if model.functions.is_empty() {
        model.functions.clone_from(&other.functions);
    }
}

/// The other graph's nodes behind this one's: what they took from outside comes from values of this graph.
fn append(graph: &mut GraphProto, others: &GraphProto, random: &mut Random) {
    let own = names(graph);
    let made = names(others);
    let suffix = format!("_{}", random.below(1 << 16));
    let inputs: Vec<&str> = others.input.iter().map(|input| input.name.as_str()).collect();
    let mut rename = |name: &mut String| {
        if inputs.contains(&name.as_str()) && !own.is_empty() {
            name.clone_from(&own[random.below(own.len())]);
        } else if made.contains(name) {
            name.push_str(&suffix);
        }
    };
    let mut nodes = others.node.clone();
    for node in &mut nodes {
        node.input.iter_mut().chain(&mut node.output).for_each(&mut rename);
    }
    let mut constants = others.initializer.clone();
    constants.iter_mut().for_each(|tensor| tensor.name.push_str(&suffix));
    let mut outputs = others.output.clone();
    outputs.iter_mut().for_each(|output| output.name.push_str(&suffix));
    graph.node.extend(nodes);
    graph.initializer.extend(constants);
    graph.output.extend(outputs);
}

fn swap_constant(graph: &mut GraphProto, others: &GraphProto, random: &mut Random) {
    let (own, from) = (graph.initializer.len(), others.initializer.len());
    if own == 0 || from == 0 {
        return;
    }
    let tensor = &mut graph.initializer[random.below(own)];
    let name = std::mem::take(&mut tensor.name);
    *tensor = others.initializer[random.below(from)].clone();
    tensor.name = name;
}

fn swap_attribute(graph: &mut GraphProto, others: &GraphProto, random: &mut Random) {
    let from: Vec<_> = others.node.iter().flat_map(|node| &node.attribute).collect();
    if graph.node.is_empty() || from.is_empty() {
        return;
    }
    let nodes = graph.node.len();
    let node = &mut graph.node[random.below(nodes)];
    let attribute = from[random.below(from.len())].clone();
    match node.attribute.iter_mut().find(|own| own.name == attribute.name) {
        Some(own) => *own = attribute,
        None => node.attribute.push(attribute),
    }
}
