//! Fused operators against the patterns that they stand for: a pattern whose middle is an output of the graph,
//! or whose weights are given from outside, stays as it is; and node by node nothing is fused.

mod attention;
mod integer;
mod nbits;
mod norm;
mod rotary;
mod stepwise;

use girandole_engine::{
    graph::Node as PlanNode,
    ops::RunContext,
    plan::Plan,
    value::{Tensor, Value},
};
use girandole_proto::onnx::{TensorProto, tensor_proto::DataType};

use crate::builder::{OnnxBuilder, floats, ints, node};

/// Numbers that look random, between -1 and 1.
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn weights(dims: &[i64], seed: u32) -> TensorProto {
    floats(dims, &values(dims.iter().product::<i64>() as usize, seed))
}

fn plan(model: OnnxBuilder) -> Plan {
    Plan::new(girandole_engine::onnx::import(model.bytes(), None).unwrap().graph).unwrap()
}

fn has(plan: &Plan, op: &str) -> bool {
    plan.nodes().any(|node: &PlanNode| node.op_type == op)
}

/// The first output.
fn run(plan: &Plan, inputs: &[Tensor]) -> Tensor {
    let inputs = inputs.iter().cloned().map(Value::Tensor).collect();
    let outputs = plan.run(inputs, &RunContext::default()).unwrap();
    outputs[0].tensor().unwrap().clone()
}

fn assert_same(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    let same = |a: f32, b: f32| (a - b).abs() < 1e-5 || (a.is_nan() && b.is_nan());
    assert!(a.iter().zip(&b).all(|(&a, &b)| same(a, b)), "{a:?}\n{b:?}");
}

/// The operators of a model whose only output is `y`, in order, having checked that its answer is that of its
/// nodes one by one.
fn checked(model: OnnxBuilder, inputs: &[(&str, Tensor)]) -> Vec<&'static str> {
    let expected = stepwise::run(&model, inputs);
    let plan = plan(model.outputs("y"));
    let in_order: Vec<Tensor> = inputs.iter().map(|(_, tensor)| tensor.clone()).collect();
    assert_same(&run(&plan, &in_order), &expected["y"]);
    plan.nodes().map(|node| node.op_type).collect()
}

fn tensor(shape: &[usize], seed: u32) -> Tensor {
    Tensor::from_vec(shape, values(shape.iter().product(), seed)).unwrap()
}

/// A recurrence of 6 units over 3 inputs, both ways; its weights constant or not.
fn recurrence(op: &str, gates: i64, constant: bool) -> (Plan, Vec<Tensor>) {
    let (dims_w, dims_r) = ([2, gates * 6, 3], [2, gates * 6, 6]);
    let mut model = OnnxBuilder::new().input("x", DataType::Float, &[4, -1, 3]);
    let mut inputs = vec![Tensor::from_vec(vec![4, 5, 3], values(60, 1)).unwrap()];
    for (name, dims, seed) in [("w", dims_w, 2), ("r", dims_r, 3)] {
        let tensor = weights(&dims, seed);
        if constant {
            model = model.constant(name, tensor);
        } else {
            model = model.input(name, DataType::Float, &dims);
            let shape: Vec<usize> = dims.iter().map(|&dim| dim as usize).collect();
            inputs.push(Tensor::from_vec(shape, tensor.float_data).unwrap());
        }
    }
    let reset = i64::from(op == "GRU");
    let layer = node(op, "x w r b", "y h").with("direction", "bidirectional").with("hidden_size", 6i64);
    let layer = if reset == 1 { layer.with("linear_before_reset", reset) } else { layer };
    let model = model.constant("b", weights(&[2, 2 * gates * 6], 4)).node(layer);
    (plan(model.outputs("y h")), inputs)
}

#[test]
fn recurrences_of_constant_weights_are_packed() {
    for (op, gates) in [("LSTM", 4), ("GRU", 3)] {
        let (packed, inputs) = recurrence(op, gates, true);
        let (plain, all) = recurrence(op, gates, false);
        assert!(has(&packed, "FusedRecurrent") && !has(&plain, "FusedRecurrent"), "{op}");
        assert_same(&run(&packed, &inputs), &run(&plain, &all));
    }
}

#[test]
fn one_index_is_taken_before_a_transpose() {
    let model = |outputs: &str| {
        let turn = node("Transpose", "x", "t").with("perm", vec![2i64, 0, 1]);
        let take = node("Gather", "t i", "y").with("axis", 1i64);
        let model =
            OnnxBuilder::new().input("x", DataType::Float, &[-1, 3, 4]).constant("i", ints(&[], &[-1]));
        plan(model.node(turn).node(take).outputs(outputs))
    };
    let x = [Tensor::from_vec(vec![2, 3, 4], values(24, 1)).unwrap()];
    let (moved, plain) = (model("y"), model("y t"));
    assert_eq!(moved.nodes().next().unwrap().op_type, "Gather");
    assert_same(&run(&moved, &x), &run(&plain, &x));
}

#[test]
fn masks_are_made_before_they_are_expanded() {
    let model = OnnxBuilder::new()
        .input("m", DataType::Int64, &[-1, 1, 4])
        .input("x", DataType::Float, &[-1, 3, 4])
        .constant("one", floats(&[], &[1.0]))
        .constant("low", floats(&[1], &[-9.0]))
        .node(node("Shape", "x", "s"))
        .node(node("Expand", "m s", "e"))
        .node(node("Cast", "e", "f").with("to", 1i64))
        .node(node("Sub", "one f", "left"))
        .node(node("Cast", "left", "is").with("to", 9i64))
        .node(node("Where", "is low left", "mask"))
        .node(node("Add", "x mask", "y"));
    let late = plan(model.outputs("y"));
    assert!(!has(&late, "Expand"));
    let (x, m) = (values(24, 1), vec![1i64, 0, 1, 1, 0, 1, 0, 0]);
    let expected = (0..24).map(|i| x[i] + if m[i / 12 * 4 + i % 4] == 0 { -9.0 } else { 0.0 }).collect();
    let inputs = [Tensor::from_vec(vec![2, 1, 4], m).unwrap(), Tensor::from_vec(vec![2, 3, 4], x).unwrap()];
    assert_same(&run(&late, &inputs), &Tensor::from_vec::<f32>(vec![2, 3, 4], expected).unwrap());
}
