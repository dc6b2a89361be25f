//! Functions of a model file: calls are replaced by bodies whose names, attributes and operator sets are their
//! own, and no file can make calls without end.

use girandole_engine::{
    ops::RunContext,
    value::{Tensor, Value},
};
use girandole_proto::onnx::{TensorProto, attribute_proto::AttributeType, tensor_proto::DataType};

use crate::{
    builder::{Node, OnnxBuilder, floats, node, tensor},
    load,
};

fn scalar(value: f32) -> Value {
    Tensor::scalar(value).unwrap().into()
}

fn run(model: OnnxBuilder, inputs: Vec<Value>) -> Vec<f32> {
    let outputs = load(model.bytes()).unwrap().run(inputs, &RunContext::default()).unwrap();
    outputs.iter().map(|value| value.tensor().unwrap().to_scalar::<f32>().unwrap()).collect()
}

fn refusal(model: OnnxBuilder) -> String {
    load(model.bytes()).unwrap_err().message().to_owned()
}

fn call(name: &str, inputs: &str, outputs: &str) -> Node {
    node(name, inputs, outputs).domain("own")
}

/// A model of one input `x` that calls functions.
fn model() -> OnnxBuilder {
    OnnxBuilder::new().opset("own", 1).input("x", DataType::Float, &[])
}

fn body(nodes: Vec<Node>) -> OnnxBuilder {
    nodes.into_iter().fold(OnnxBuilder::new(), OnnxBuilder::node)
}

#[test]
fn a_bodys_names_are_its_own() {
    // The body's `t` and `x` are not the model's.
    let twice = body(vec![node("Add", "x x", "t"), node("Identity", "t", "y")]);
    let model = model()
        .function("Twice", "x", "y", twice)
        .node(call("Twice", "x", "t"))
        .node(call("Twice", "t", "u"))
        .node(node("Sub", "u t", "y"))
        .outputs("y u");
    let plan = load(model.clone().bytes()).unwrap();
    assert_eq!(plan.outputs().map(|output| output.name.as_str()).collect::<Vec<_>>(), ["y", "u"]);
    assert_eq!(run(model, vec![scalar(3.0)]), [6.0, 12.0]);
}

#[test]
fn attributes_go_through_calls_and_have_defaults() {
    let inner = body(vec![node("LeakyRelu", "x", "y").with_callers("alpha", "slope", AttributeType::Float)]);
    let outer = body(vec![call("Inner", "x", "y").with_callers("slope", "factor", AttributeType::Float)]);
    let model = model()
        .function("Inner", "x", "y", inner)
        .function("Outer", "x", "y", outer.opset("own", 1))
        .node(call("Outer", "x", "a").with("factor", 0.5f32))
        .node(call("Outer", "x", "b"))
        .outputs("a b");
    // Left out everywhere it is the operator's own default.
    let came = run(model, vec![scalar(-2.0)]);
    assert_eq!((came[0], (came[1] + 0.02).abs() < 1e-6), (-1.0, true));
}

#[test]
fn a_body_is_read_by_its_own_operator_sets() {
    // Before opset 13 the axes of Squeeze were an attribute.
    let old = body(vec![node("Squeeze", "x", "y").with("axes", vec![0i64])]).opset("", 11);
    let model = OnnxBuilder::new()
        .opset("own", 1)
        .input("x", DataType::Float, &[1])
        .function("Old", "x", "y", old)
        .node(call("Old", "x", "y"))
        .outputs("y");
    assert_eq!(run(model, vec![Tensor::from_vec(vec![1], vec![4.0f32]).unwrap().into()]), [4.0]);
}

#[test]
fn an_input_left_out_is_left_out_inside_and_in_subgraphs() {
    let clip = body(vec![node("Clip", "x - most", "y")]);
    let model = model()
        .constant("one", floats(&[], &[1.0]))
        .function("Clip", "x most", "y", clip)
        .node(call("Clip", "x", "a"))
        .node(call("Clip", "x one", "b"))
        .outputs("a b");
    assert_eq!(run(model, vec![scalar(3.0)]), [3.0, 1.0]);
}

#[test]
fn a_subgraph_in_a_body_takes_the_bodys_values() {
    let branch = |op: &str| OnnxBuilder::new().node(node(op, "d x", "t")).outputs("t").graph();
    let choose = body(vec![
        node("Add", "x x", "d"),
        node("If", "c", "y").with("then_branch", branch("Add")).with("else_branch", branch("Sub")),
    ]);
    let model = model()
        .input("c", DataType::Bool, &[])
        .input("d", DataType::Float, &[])
        .function("Choose", "c x", "y", choose)
        .node(call("Choose", "c x", "y"))
        .outputs("y");
    let flag = |value| Tensor::from_bools(Vec::<usize>::new(), [value]).unwrap().into();
    assert_eq!(run(model.clone(), vec![scalar(3.0), flag(true), scalar(100.0)]), [9.0]);
    assert_eq!(run(model, vec![scalar(3.0), flag(false), scalar(100.0)]), [3.0]);
}

#[test]
fn outputs_may_be_inputs_or_one_value_twice() {
    let pass = body(vec![node("Add", "x x", "d")]);
    let model =
        model().function("Pass", "x", "x d d", pass).node(call("Pass", "x", "a b c")).outputs("a b c");
    assert_eq!(run(model, vec![scalar(3.0)]), [3.0, 6.0, 6.0]);
}

#[test]
fn calls_without_end_are_refused() {
    let itself = model().function("F", "x", "y", body(vec![call("G", "x", "y")]));
    let itself = itself
        .function("G", "x", "y", body(vec![call("F", "x", "y")]))
        .node(call("F", "x", "y"))
        .outputs("y");
    assert!(refusal(itself).contains("function own.F calls itself"));

    // Each calls the next twice: 2^40 nodes.
    let many = (0..40).fold(model(), |model, i| {
        let next = |out: &str| call(&format!("F{}", i + 1), "x", out);
        model.function(&format!("F{i}"), "x", "a", body(vec![next("a"), next("b")]))
    });
    let last = body(vec![node("Neg", "x", "a")]);
    let many = many.function("F40", "x", "a", last).node(call("F0", "x", "y")).outputs("y");
    assert!(refusal(many).contains("more than 262144 nodes"));

    // The nodes of graphs inside a body count, too.
    let branch = || {
        let nodes =
            (0..1000).fold(OnnxBuilder::new(), |graph, i| graph.node(node("Neg", "x", &format!("o{i}"))));
        nodes.outputs("o0").graph()
    };
    let choice = node("If", "x", "y").with("then_branch", branch()).with("else_branch", branch());
    let many = (0..200).fold(model().function("F", "x", "y", body(vec![choice])), |model, i| {
        model.node(call("F", "x", &format!("y{i}")))
    });
    assert!(refusal(many.outputs("y0")).contains("more than 262144 nodes"));

    // So do its bytes: 100 copies of a constant of a megabyte.
    let large = tensor(DataType::Uint8, &[1 << 20]);
    let large = TensorProto { raw_data: vec![1; 1 << 20].into(), ..large };
    let large = node("Constant", "", "y").with("value", large);
    let many = (0..100).fold(model().function("F", "x", "y", body(vec![large])), |model, i| {
        model.node(call("F", "x", &format!("y{i}")))
    });
    assert!(refusal(many.outputs("y0")).contains("bytes of their bodies"));

    let deep = (0..500).fold(model(), |model, i| {
        model.function(&format!("F{i}"), "x", "y", body(vec![call(&format!("F{}", i + 1), "x", "y")]))
    });
    assert!(refusal(deep.node(call("F0", "x", "y")).outputs("y")).contains("deep in calls"));
}

#[test]
fn what_a_body_lacks_is_told_with_the_function() {
    let model = model()
        .function("F", "x", "y", body(vec![node("Nonsense", "x", "y").named("inside")]))
        .node(call("F", "x", "y").named("outside"))
        .outputs("y");
    let message = refusal(model);
    assert!(
        message.contains("own.F") && message.contains("inside") && message.contains("Nonsense"),
        "{message}"
    );
    let model = self::model().function("F", "x", "y", body(vec![])).node(call("F", "x x", "y")).outputs("y");
    assert!(refusal(model).contains("takes 1 inputs"));
    let model = self::model().function("F", "a", "y", body(vec![node("Neg", "x", "y")]));
    // `x` is the model's, not the body's.
    assert!(refusal(model.node(call("F", "x", "y")).outputs("y")).contains("'x' is used but never made"));
}

#[test]
fn a_custom_operator_without_a_function_is_refused_by_name() {
    let model = model().node(call("Mystery", "x", "y").named("what")).outputs("y");
    let message = refusal(model);
    assert!(message.contains("own") && message.contains("Mystery") && message.contains("what"), "{message}");
}
