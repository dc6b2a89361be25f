//! What subgraphs take from around them: constants, inputs, values of nodes, through several graphs.

use girandole_engine::{
    ops::RunContext,
    value::{Tensor, Value},
};
use girandole_proto::onnx::{GraphProto, tensor_proto::DataType};

use crate::{
    builder::{Node, OnnxBuilder, floats, ints, node},
    load,
};

fn scalar(value: f32) -> Value {
    Tensor::scalar(value).unwrap().into()
}

fn flag(value: bool) -> Value {
    Tensor::from_bools(Vec::<usize>::new(), [value]).unwrap().into()
}

fn run(model: OnnxBuilder, inputs: Vec<Value>) -> Vec<Vec<f32>> {
    let outputs = load(model.bytes()).unwrap().run(inputs, &RunContext::default()).unwrap();
    outputs.iter().map(|value| value.tensor().unwrap().to_vec().unwrap()).collect()
}

/// A graph of one node with the output `output`.
fn only(node: Node, output: &str) -> GraphProto {
    OnnxBuilder::new().node(node).outputs(output).graph()
}

/// `x` and `c` are inputs; `d = x + x` is a node's, `k = 10` a constant.
fn outer() -> OnnxBuilder {
    OnnxBuilder::new()
        .input("x", DataType::Float, &[])
        .input("c", DataType::Bool, &[])
        .constant("k", floats(&[], &[10.0]))
        .node(node("Add", "x x", "d"))
}

#[test]
fn both_branches_take_values_from_around_them() {
    let branches = node("If", "c", "y")
        .with("then_branch", only(node("Add", "d k", "t"), "t"))
        .with("else_branch", only(node("Sub", "d x", "e"), "e"));
    // `d` is used again after the branches: the branch must not take it away.
    let model = outer().node(branches).node(node("Add", "y d", "z")).outputs("y z");
    assert_eq!(run(model.clone(), vec![scalar(3.0), flag(true)]), [[16.0], [22.0]]);
    assert_eq!(run(model, vec![scalar(3.0), flag(false)]), [[3.0], [9.0]]);
}

#[test]
fn a_branch_may_hand_out_what_it_took() {
    let pass = |name: &str| OnnxBuilder::new().outputs(name).graph();
    let branches = node("If", "c", "y").with("then_branch", pass("x")).with("else_branch", pass("k"));
    let model = outer().node(branches).outputs("y");
    assert_eq!(run(model.clone(), vec![scalar(3.0), flag(true)]), [[3.0]]);
    assert_eq!(run(model, vec![scalar(3.0), flag(false)]), [[10.0]]);
}

#[test]
fn a_value_reaches_through_two_graphs() {
    let inner = |value: &str, out: &str| {
        node("If", "c", out)
            .with("then_branch", only(node("Add", &format!("{value} k"), "t"), "t"))
            .with("else_branch", only(node("Identity", value, "e"), "e"))
    };
    let branches = node("If", "c", "y")
        .with("then_branch", only(inner("d", "i"), "i"))
        .with("else_branch", only(inner("x", "j"), "j"));
    // The node stands before the one that makes what its inner graph takes.
    let model = OnnxBuilder::new()
        .input("x", DataType::Float, &[])
        .input("c", DataType::Bool, &[])
        .constant("k", floats(&[], &[10.0]))
        .node(branches)
        .node(node("Add", "x x", "d"))
        .outputs("y");
    assert_eq!(run(model.clone(), vec![scalar(3.0), flag(true)]), [[16.0]]);
    assert_eq!(run(model, vec![scalar(3.0), flag(false)]), [[3.0]]);
}

#[test]
fn every_iteration_sees_what_the_loop_took() {
    let body = OnnxBuilder::new()
        .input("trip", DataType::Int64, &[])
        .input("going", DataType::Bool, &[])
        .input("sum", DataType::Float, &[])
        .node(node("Add", "sum d", "more"))
        .outputs("going more more")
        .graph();
    let model = outer()
        .constant("trips", ints(&[], &[3]))
        .node(node("Loop", "trips - x", "last all").with("body", body))
        .outputs("last all d");
    let expected = vec![vec![7.0], vec![3.0, 5.0, 7.0], vec![2.0]];
    assert_eq!(run(model, vec![scalar(1.0), flag(true)]), expected);
}
