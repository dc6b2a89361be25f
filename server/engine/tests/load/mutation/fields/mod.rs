//! Changes of a model's fields: numbers to extremes, things left out, doubled and put in each other's place,
//! parts of one model in another. What comes out is still protobuf, so it gets past the first check.
//!
//! The fuzz targets (`server/engine/fuzz`) change their files by the same rules.

mod attribute;
mod cross;
mod graph;
mod list;
mod node;
mod tensor;
mod types;

use girandole_proto::onnx::{FunctionProto, GraphProto, ModelProto, NodeProto};

pub(crate) use cross::cross;

use super::random::Random;

/// Makes one change.
pub(crate) fn change(model: &mut ModelProto, random: &mut Random) {
    match random.below(24) {
        0 => change_opset(model, random),
        1 => change_functions(model, random),
        2 if random.one_in(4) => to_function(model, random),
        _ => {
            if let Some(graph) = &mut model.graph {
                graph::change(graph, random);
            }
        }
    }
}

fn change_opset(model: &mut ModelProto, random: &mut Random) {
    const VERSIONS: &[i64] = &[1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 21, 22, 23, 24];
    let sets = &mut model.opset_import;
    let at = random.below(sets.len());
    match random.below(6) {
        0 if !sets.is_empty() => drop(sets.remove(at)),
        1 => sets.iter_mut().for_each(|set| set.version = random.pick(list::INTS)),
        _ => sets.iter_mut().for_each(|set| set.version = random.pick(VERSIONS)),
    }
}

fn change_functions(model: &mut ModelProto, random: &mut Random) {
    if model.functions.is_empty() {
        return;
    }
    let names: Vec<(String, String)> =
        model.functions.iter().map(|f| (f.domain.clone(), f.name.clone())).collect();
    let at = random.below(names.len());
    let function = &mut model.functions[at];
    match random.below(6) {
        0 => drop(model.functions.remove(at)),
        1 => change_names(&mut function.input, random),
        2 => change_names(&mut function.output, random),
        3 if !function.node.is_empty() => {
            // A call, maybe of the function itself.
            let node = random.below(function.node.len());
            let (domain, name) = names[random.below(names.len())].clone();
            function.node[node] = NodeProto { domain, op_type: name, ..function.node[node].clone() };
        }
        _ => change_body(function, random),
    }
}

/// Changes the nodes of a function as those of a graph.
fn change_body(function: &mut FunctionProto, random: &mut Random) {
    let mut body = GraphProto { node: std::mem::take(&mut function.node), ..Default::default() };
    graph::change(&mut body, random);
    function.node = body.node;
}

fn change_names(names: &mut Vec<String>, random: &mut Random) {
    let at = random.below(names.len());
    match random.below(4) {
        0 if !names.is_empty() => drop(names.remove(at)),
        1 => names.push(format!("more{}", random.below(4))),
        2 if !names.is_empty() => names.push(names[at].clone()),
        _ => names.reverse(),
    }
}

/// Puts a node of the graph into a function that the graph calls.
fn to_function(model: &mut ModelProto, random: &mut Random) {
    let opset_import = model.opset_import.clone();
    let Some(graph) = model.graph.as_mut().filter(|graph| !graph.node.is_empty()) else { return };
    let at = random.below(graph.node.len());
    let node = &mut graph.node[at];
    let name = format!("f{}", random.below(1 << 10));
    let call = NodeProto {
        op_type: name.clone(),
        domain: "own".into(),
        input: node.input.clone(),
        output: node.output.clone(),
        name: node.name.clone(),
        ..Default::default()
    };
    let (input, output) = (call.input.clone(), call.output.clone());
    let node = vec![std::mem::replace(node, call)];
    let domain = "own".into();
    model.functions.push(FunctionProto {
        name,
        domain,
        input,
        output,
        node,
        opset_import,
        ..Default::default()
    });
}
