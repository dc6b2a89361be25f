//! A model of one node for each operator, or for each way to use it, written in one line:
//! `Op inputs... : attribute=value... => number of outputs`.
//!
//! An input is a value given from outside (see [`GIVEN`]), `-` where it is left out, or a constant: `{1,2}` a
//! vector, `<3>` a scalar (floats with a point), `f[2,3]`, `i[2,3]`, `u[2,3]` a tensor of this shape of
//! FLOAT, INT64, UINT8.

use girandole_proto::onnx::{ModelProto, TensorProto, tensor_proto::DataType};

use super::entries::ML;
use crate::builder::{Attribute, Node, OnnxBuilder, bool, floats, ints, node, tensor};

/// The values given from outside.
const GIVEN: &[(&str, DataType, &[i64])] = &[
    ("x", DataType::Float, &[-1, 3]),
    ("y", DataType::Float, &[-1, 3]),
    ("img", DataType::Float, &[1, 4, 6, 6]),
    ("seq", DataType::Float, &[4, 1, 3]),
    ("k", DataType::Int64, &[-1, 3]),
    ("b", DataType::Bool, &[-1, 3]),
    ("t", DataType::String, &[-1, 3]),
    ("u", DataType::Uint8, &[-1, 3]),
];

/// The model of an entry.
pub(super) fn model(entry: &str) -> ModelProto {
    let (entry, outputs) = entry.split_once("=>").unwrap_or((entry, "1"));
    let (head, attributes) = entry.split_once(':').unwrap_or((entry, ""));
    let mut words = head.split_whitespace();
    let op = words.next().unwrap();
    let mut model = OnnxBuilder::new();
    let mut names = Vec::new();
    for (i, word) in words.enumerate() {
        let given = GIVEN.iter().find(|(name, ..)| *name == word);
        match given {
            Some(_) if names.iter().any(|name| name == word) => names.push(word.to_owned()),
            Some((name, elem, dims)) => {
                model = model.input(name, *elem, dims);
                names.push(word.to_owned());
            }
            None if word == "-" => names.push(word.to_owned()),
            None => {
                names.push(format!("const{i}"));
                model = model.constant(&names[i], constant(word));
            }
        }
    }
    let outputs: Vec<String> = (0..outputs.trim().parse().unwrap()).map(|i| format!("out{i}")).collect();
    let outputs = outputs.join(" ");
    let mut only =
        node(op, &names.join(" "), &outputs).domain(if ML.contains(&op) { "ai.onnx.ml" } else { "" });
    for attribute in attributes.split_whitespace() {
        only = with(only, attribute);
    }
    model.node(only).outputs(&outputs).model()
}

fn constant(word: &str) -> TensorProto {
    let inside = &word[1..word.len() - 1];
    let list = |text: &str| {
        text.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect::<Vec<f64>>()
    };
    let len = |all: &[f64]| if word.starts_with('<') { vec![] } else { vec![all.len() as i64] };
    if let Some(dims) = word.get(1..).filter(|rest| rest.starts_with('[')) {
        return filled(&word[..1], &list(&dims[1..dims.len() - 1]));
    }
    if let "true" | "false" = inside {
        let dims = if word.starts_with('<') { vec![] } else { vec![1] };
        return TensorProto { dims, ..bool(inside == "true") };
    }
    let all = list(inside);
    if inside.contains('.') {
        floats(&len(&all), &all.iter().map(|&v| v as f32).collect::<Vec<_>>())
    } else {
        ints(&len(&all), &all.iter().map(|&v| v as i64).collect::<Vec<_>>())
    }
}

fn filled(kind: &str, dims: &[f64]) -> TensorProto {
    let dims: Vec<i64> = dims.iter().map(|&d| d as i64).collect();
    let len = usize::try_from(dims.iter().product::<i64>()).unwrap();
    match kind {
        "f" => floats(&dims, &vec![0.5; len]),
        "i" => ints(&dims, &vec![1; len]),
        _ => TensorProto { int32_data: vec![1; len], ..tensor(DataType::Uint8, &dims) },
    }
}

fn with(node: Node, attribute: &str) -> Node {
    let (name, value) = attribute.split_once('=').unwrap();
    let Some(list) = value.strip_prefix('[') else { return node.with(name, single(value)) };
    let items: Vec<&str> = list.trim_end_matches(']').split(',').collect();
    if let Ok(all) = items.iter().map(|item| item.parse()).collect::<Result<Vec<i64>, _>>() {
        return node.with(name, all);
    }
    match items.iter().map(|item| item.parse()).collect::<Result<Vec<f32>, _>>() {
        Ok(all) => node.with(name, all),
        Err(_) => node.with(name, items),
    }
}

fn single(value: &str) -> Attribute {
    match (value.parse::<i64>(), value.parse::<f32>()) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => value.into(),
    }
}

/// Models with graphs inside their nodes.
pub(super) fn graphs() -> [(&'static str, OnnxBuilder); 3] {
    let given = || OnnxBuilder::new().input("x", DataType::Float, &[-1, 3]).input("c", DataType::Bool, &[]);
    let branch = |op| OnnxBuilder::new().node(node(op, "x w", "o")).outputs("o").graph();
    let branches = node("If", "c", "y").with("then_branch", branch("Add")).with("else_branch", branch("Sub"));
    let body = OnnxBuilder::new()
        .input("trip", DataType::Int64, &[])
        .input("going", DataType::Bool, &[])
        .input("sum", DataType::Float, &[-1, 3])
        .node(node("Add", "sum x", "more"))
        .outputs("going more more")
        .graph();
    let step = OnnxBuilder::new()
        .input("state", DataType::Float, &[3])
        .input("row", DataType::Float, &[3])
        .node(node("Add", "state row", "next"))
        .outputs("next next")
        .graph();
    let scan = node("Scan", "w x", "last all").with("body", step).with("num_scan_inputs", 1i64);
    let scan = scan.with("scan_input_axes", vec![0i64]).with("scan_output_directions", vec![1i64]);
    let weights = floats(&[3], &[0.1, 0.2, 0.3]);
    [
        ("If", given().constant("w", weights.clone()).node(branches).outputs("y")),
        (
            "Loop",
            given()
                .constant("trips", ints(&[], &[3]))
                .node(node("Loop", "trips c x", "last all").with("body", body))
                .outputs("last all"),
        ),
        ("Scan", given().constant("w", weights).node(scan).outputs("last all")),
    ]
}
