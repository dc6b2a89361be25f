//! What a model may do at most while it runs: memory of one tensor, iterations, time.

use std::time::{Duration, Instant};

use girandole_core::{Error, ErrorCode};
use girandole_engine::{
    ops::RunContext,
    value::{Tensor, Value},
};
use girandole_proto::onnx::tensor_proto::DataType;

use crate::{
    builder::{OnnxBuilder, bool, ints, node},
    load,
};

fn run(model: OnnxBuilder, inputs: Vec<Value>, context: &RunContext) -> Result<Vec<Value>, Error> {
    load(model.bytes()).unwrap().run(inputs, context).map_err(|error| error.at("model"))
}

/// A loop that never ends by itself; its body hands on the condition that it got.
fn endless() -> OnnxBuilder {
    let body = OnnxBuilder::new()
        .input("trip", DataType::Int64, &[])
        .input("going", DataType::Bool, &[])
        .node(node("Identity", "going", "still"))
        .outputs("still trip")
        .graph();
    OnnxBuilder::new()
        .constant("yes", bool(true))
        .node(node("Loop", "- yes", "trips").named("forever").with("body", body))
        .outputs("trips")
}

#[test]
fn a_tensor_too_large_is_an_error_of_its_node_and_not_an_abort() {
    for (op, elements) in [("ConstantOfShape", 1i64 << 60), ("ConstantOfShape", i64::MAX)] {
        let model = OnnxBuilder::new().constant("s", ints(&[1], &[elements]));
        let model = model.node(node(op, "s", "y").named("huge")).outputs("y");
        let error = run(model, Vec::new(), &RunContext::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::OutOfMemory, "{error}");
        assert!(error.message().contains("node 'huge'"), "{error}");
    }
}

#[test]
fn computed_constants_take_no_more_than_is_allowed() {
    // Twelve times 32 MiB, of a file of a few hundred bytes.
    let model = OnnxBuilder::new().constant("s", ints(&[1], &[1 << 22]));
    let model = (0..12).fold(model, |model, i| {
        model.node(node("ConstantOfShape", "s", &format!("zeros{i}")).with("value", ints(&[1], &[i])))
    });
    let names = (0..12).map(|i| format!("zeros{i} ")).collect::<String>();
    let plan = load(model.outputs(&names).bytes()).unwrap();
    assert_eq!(plan.nodes().count(), 4, "8 of them fit into 256 MiB");
    assert!(plan.constant_bytes() < 257 << 20, "{} bytes", plan.constant_bytes());
}

#[test]
fn a_negative_size_is_invalid() {
    let model = OnnxBuilder::new().constant("s", ints(&[1], &[-4]));
    let model = model.node(node("ConstantOfShape", "s", "y").named("less")).outputs("y");
    let error = run(model, Vec::new(), &RunContext::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
    assert!(error.message().contains("node 'less'"), "{error}");
}

#[test]
fn an_endless_loop_ends_by_its_iterations() {
    let few = RunContext { max_iterations: 100, deadline: None };
    let error = run(endless(), Vec::new(), &few).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert_eq!(error.message(), "node 'forever' (Loop): a loop ran for 100 iterations, the most allowed");
}

#[test]
fn an_endless_loop_ends_by_its_deadline() {
    let short = RunContext { max_iterations: u64::MAX, ..RunContext::within(Duration::from_millis(20)) };
    let error = run(endless(), Vec::new(), &short).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
}

#[test]
fn a_run_past_its_deadline_begins_no_step() {
    let model =
        OnnxBuilder::new().input("x", DataType::Float, &[1]).node(node("Relu", "x", "y")).outputs("y");
    let input = || vec![Tensor::from_vec(vec![1usize], vec![1.0f32]).unwrap().into()];
    let past = RunContext { deadline: Some(Instant::now()), ..RunContext::default() };
    let error = run(model.clone(), input(), &past).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");
    assert!(run(model, input(), &RunContext::within(Duration::from_secs(60))).is_ok());
}

#[test]
fn a_node_of_very_many_inputs_loads_in_time() {
    let names = |count: usize| (0..count).map(|i| format!("x{} ", i % 1000)).collect::<String>();
    let inputs = (0..1000).fold(OnnxBuilder::new(), |m, i| m.input(&format!("x{i}"), DataType::Float, &[1]));
    let model = inputs.node(node("Sum", &names(200_000), "y")).outputs("y");
    let begin = Instant::now();
    assert_eq!(load(model.bytes()).unwrap().inputs().count(), 1000);
    // It takes under a second; to compare every input with every other took minutes.
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn a_graph_that_takes_very_many_values_from_around_it_loads_in_time() {
    const COUNT: usize = 50_000;
    let around = (0..COUNT).fold(OnnxBuilder::new().input("x", DataType::Float, &[1]), |model, i| {
        model.node(node("Neg", "x", &format!("n{i}")))
    });
    let names: String = (0..COUNT).map(|i| format!("n{i} ")).collect();
    let branch = || OnnxBuilder::new().node(node("Sum", &names, "s")).outputs("s").graph();
    let choice = node("If", "c", "y").with("then_branch", branch()).with("else_branch", branch());
    let model = around.input("c", DataType::Bool, &[]).node(choice).outputs("y");
    let begin = Instant::now();
    assert!(load(model.bytes()).is_ok());
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

/// A loop whose body wraps the value that it carries once more, as `op` does.
fn wrapping(op: &str) -> OnnxBuilder {
    let body = OnnxBuilder::new()
        .input("trip", DataType::Int64, &[])
        .input("going", DataType::Bool, &[])
        .input("inner", DataType::Float, &[])
        .node(node(op, "inner", "outer").named("wrap"))
        .outputs("going outer")
        .graph();
    OnnxBuilder::new()
        .input("x", DataType::Float, &[1])
        .constant("trips", ints(&[], &[1_000_000]))
        .node(node("Loop", "trips - x", "y").with("body", body))
        .node(node("Identity", "x", "z"))
        .outputs("y z")
}

#[test]
fn values_do_not_nest_without_end() {
    // A million nested values would overflow the stack when they are dropped.
    for op in ["SequenceConstruct", "Optional"] {
        let input = vec![Tensor::from_vec(vec![1usize], vec![1.0f32]).unwrap().into()];
        let error = run(wrapping(op), input, &RunContext::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
        assert!(error.message().contains("node 'wrap'"), "{error}");
    }
}
