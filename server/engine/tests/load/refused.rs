//! Files that are refused when they load: with the code a client acts on, and a message that names the node
//! and what is wrong with it.

use bytes::Bytes;
use girandole_core::ErrorCode;
use girandole_proto::onnx::{GraphProto, tensor_proto::DataType};
use prost::Message;

use crate::{
    builder::{OnnxBuilder, bool, floats, node, tensor},
    load,
};

fn assert_bytes_refused(bytes: Bytes, parts: &[&str]) {
    let error = load(bytes).expect_err("the file loads");
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    for part in parts {
        assert!(error.message().contains(part), "'{part}' is not in: {error}");
    }
}

#[track_caller]
fn assert_refused(model: OnnxBuilder, parts: &[&str]) {
    assert_bytes_refused(model.bytes(), parts);
}

/// A model with the input `x`, `[N,3]`.
fn model() -> OnnxBuilder {
    OnnxBuilder::new().input("x", DataType::Float, &[-1, 3])
}

#[test]
fn what_the_engine_lacks_is_named() {
    let nope = || node("Nope", "x", "y").named("n");
    assert_refused(model().node(nope()).outputs("y"), &["node 'n' (Nope)", "ai.onnx opset 21"]);
    assert_refused(model().node(node("Nope", "x", "y")).outputs("y"), &["node 0 (Nope)"]);
    assert_refused(model().node(nope().domain("org.acme")).outputs("y"), &["node 'n'", "'org.acme'"]);
    assert_refused(
        model().node(nope().domain("ai.onnx.ml")).outputs("y"),
        &["node 'n'", "ai.onnx.ml opset 3"],
    );
    let identity = || model().node(node("Identity", "x", "y")).outputs("y");
    for version in [99, 0, -1, i64::MAX] {
        assert_refused(identity().opset("", version), &[&format!("opset {version} of ai.onnx"), "newest"]);
    }
    assert_refused(
        model().node(node("BitwiseNot", "x", "y")).outputs("y").opset("", 17),
        &["BitwiseNot", "opset 17"],
    );
}

#[test]
fn an_element_type_that_the_engine_lacks_is_named_with_its_value() {
    let complex = tensor(DataType::Complex64, &[1]);
    assert_refused(model().constant("w", complex).outputs("w"), &["'w'", "COMPLEX64"]);
    let complex = OnnxBuilder::new().input("x", DataType::Complex64, &[1]);
    assert_refused(complex.node(node("Identity", "x", "y")).outputs("y"), &["'x'", "COMPLEX64"]);
    let cast = node("Cast", "x", "y").named("c").with("to", DataType::Complex128 as i64);
    assert_refused(model().node(cast).outputs("y"), &["node 'c' (Cast)", "COMPLEX128"]);
    assert_refused(
        model().constant("w", floats(&[3], &[1.0])).outputs("w"),
        &["'w'", "1 elements do not make shape [3]"],
    );
}

#[test]
fn values_are_made_once_and_before_they_are_used() {
    let add = |inputs: &str, output: &str, name: &str| node("Add", inputs, output).named(name);
    let cycle = model().node(add("x b", "a", "first")).node(add("x a", "b", "second")).outputs("b");
    assert_refused(cycle, &["cycle", "node 'first' (Add)"]);
    let unnamed = model().node(node("Add", "x y", "y")).outputs("y");
    assert_refused(unnamed, &["cycle", "node 0 (Add)"]);
    assert_refused(
        model().node(add("x ghost", "y", "n")).outputs("y"),
        &["node 'n'", "'ghost'", "never made"],
    );
    assert_refused(model().outputs("ghost"), &["'ghost'", "never made"]);
    let twice = model().node(add("x x", "y", "n")).node(add("x x", "y", "m")).outputs("y");
    assert_refused(twice, &["node 'm'", "'y'", "made twice"]);
    assert_refused(model().node(add("x x", "x", "n")).outputs("x"), &["node 'n'"]);
    let again = model().input("x", DataType::Float, &[1]).node(add("x x", "y", "n")).outputs("y");
    assert_refused(again, &["'x'", "made twice"]);
}

#[test]
fn a_file_without_a_model_is_told_apart() {
    assert_bytes_refused(Bytes::new(), &["empty"]);
    assert_bytes_refused(Bytes::from_static(b"not a model at all"), &["no ONNX model"]);
    let whole =
        model().constant("w", floats(&[64], &[0.5; 64])).node(node("Add", "x w", "y")).outputs("y").bytes();
    assert_bytes_refused(whole.slice(..whole.len() / 2), &["truncated"]);
    for end in 0..whole.len() {
        // Every prefix is refused or loads; a cut between fields may leave a smaller model.
        let _ = load(whole.slice(..end));
    }
    let headless = girandole_proto::onnx::ModelProto { graph: None, ..model().model() };
    assert_bytes_refused(headless.encode_to_vec().into(), &["no graph"]);
}

#[test]
fn a_graph_must_hand_something_out() {
    assert_refused(OnnxBuilder::new(), &["empty"]);
    assert_refused(model().node(node("Relu", "x", "y")), &["no outputs"]);
    let bare =
        OnnxBuilder::default().input("x", DataType::Float, &[1]).node(node("Relu", "x", "y")).outputs("y");
    assert_refused(bare, &["no operator set"]);
}

/// A graph of an `If` inside an `If`, `depth` deep.
fn nested(depth: usize) -> GraphProto {
    let innermost = OnnxBuilder::new().node(node("Identity", "x", "o0")).outputs("o0").graph();
    (1..=depth).fold(innermost, |inner, level| {
        let output = format!("o{level}");
        let branches =
            node("If", "c", &output).with("then_branch", inner.clone()).with("else_branch", small());
        OnnxBuilder::new().node(branches).outputs(&output).graph()
    })
}

fn small() -> GraphProto {
    OnnxBuilder::new().node(node("Identity", "x", "e")).outputs("e").graph()
}

fn nesting(depth: usize) -> OnnxBuilder {
    let branches =
        node("If", "c", "y").named("outer").with("then_branch", nested(depth)).with("else_branch", small());
    model().constant("c", bool(true)).node(branches).outputs("y")
}

#[test]
fn graphs_in_graphs_have_a_depth() {
    load(nesting(8).bytes()).unwrap();
    assert_refused(nesting(20), &["16 deep"]);
    // Beyond what protobuf itself reads.
    assert_refused(nesting(60), &["no ONNX model"]);
}

#[test]
fn a_file_has_a_number_of_nodes() {
    let many = (0..=1 << 20).fold(model(), |model, _| model.node(node("", "", "")));
    assert_refused(many.outputs("x"), &["more than 1048576 nodes"]);
}

#[test]
fn attributes_are_checked_when_the_model_loads() {
    let concat = || node("Concat", "x x", "y").named("join");
    assert_refused(model().node(concat()).outputs("y"), &["node 'join' (Concat)", "'axis' is missing"]);
    let float = concat().with("axis", 1.0f32);
    assert_refused(model().node(float).outputs("y"), &["node 'join'", "'axis' must be INT, got FLOAT"]);
    let text = node("Transpose", "x", "y").named("t").with("perm", "backwards");
    assert_refused(model().node(text).outputs("y"), &["node 't'", "'perm' must be INTS, got STRING"]);
    let branch = node("If", "c", "y").named("if").with("then_branch", small());
    assert_refused(
        model().constant("c", bool(true)).node(branch).outputs("y"),
        &["node 'if' (If)", "'else_branch' is missing"],
    );
    let cast = node("Cast", "x", "y").named("c").with("to", 77i64);
    assert_refused(model().node(cast).outputs("y"), &["node 'c'", "77"]);
}

#[test]
fn inputs_that_a_node_needs_are_missed_when_the_model_loads() {
    for (op, inputs, missing) in [
        ("Relu", "", 0),
        ("Add", "x", 1),
        ("Add", "- x", 0),
        ("MatMul", "x", 1),
        ("Conv", "x", 1),
        ("Where", "x", 1),
        ("Reshape", "x -", 1),
        ("Gather", "- x", 0),
    ] {
        let model = model().node(node(op, inputs, "y").named("short")).outputs("y");
        assert_refused(model, &[&format!("node 'short' ({op})"), &format!("input {missing} is missing")]);
    }
}
