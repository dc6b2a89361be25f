//! What sessions put into their queues, on a queue that only writes it down.

mod devices;
mod memory;
mod sequences;

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use girandole_core::{Batch, BatchInput, BatchOutputs, DType, Error, ErrorCode, Reply, Session, Shape};
use girandole_cuda::{
    Arena,
    stub::{Event, Stub, StubGpu},
};

use super::{
    admission::Allowance,
    buckets::Buckets,
    context::Context,
    dtype::Precision,
    graphs::Graphs,
    growth::Growth,
    program::Program,
    session::{GpuSession, Holdings},
    weights::Weights,
};
use crate::{
    Target, Tuning,
    error::Result as OpResult,
    graph::{Fact, Graph, Node, SymDim, ValueId, ValueInfo},
    ops::{
        Facts, Inputs, Op, Outputs, RunContext, fused::activation::Activation,
        math::binary::arithmetic::Arithmetic, nn::matmul::MatMul, tensor::transpose::Transpose,
    },
    passes::{self, Folding, Place},
    plan::Plan,
    value::{ElemType, Tensor, Value},
};

const WIDTH: usize = 16;

/// A graph of one input, `[batch, 16]`.
struct Net(Graph);

impl Net {
    fn new() -> Self {
        let mut graph = Graph::default();
        let shape = vec![SymDim::Symbol("batch".into()), SymDim::Known(WIDTH)];
        let fact = Fact::tensor(Some(ElemType::F32), Some(shape));
        let x = graph.add_value(ValueInfo { name: "x".into(), fact });
        graph.inputs.push(x);
        Self(graph)
    }

    fn x(&self) -> ValueId {
        self.0.inputs[0]
    }

    fn weights(&mut self, shape: &[usize]) -> ValueId {
        let len: usize = shape.iter().product();
        let tensor = Tensor::from_vec(shape, (0..len).map(|i| i as f32).collect()).unwrap();
        self.0.add_value(ValueInfo { name: "w".into(), fact: Fact::of_constant(&Value::Tensor(tensor)) })
    }

    fn node(&mut self, op: impl Op + 'static, inputs: &[ValueId]) -> ValueId {
        let facts = Facts::new(inputs.iter().map(|&id| Some(self.0.fact(id))).collect());
        let fact = op.infer(&facts, 1).unwrap().remove(0);
        let made = self.0.add_value(ValueInfo { name: "made".into(), fact });
        let inputs = inputs.iter().copied().map(Some).collect();
        let op_type = "Test";
        self.0.nodes.push(Node {
            name: "node".into(),
            op_type,
            op: Box::new(op),
            inputs,
            outputs: vec![Some(made)],
        });
        made
    }

    fn plan(mut self, output: ValueId) -> Plan {
        self.0.outputs = vec![output];
        let tuning = Tuning { target: Target::Gpu, ..Tuning::default() };
        passes::run(&mut self.0, Place::Model, &Folding::default(), tuning).unwrap();
        Plan::new(self.0).unwrap()
    }

    fn program(self, output: ValueId) -> Arc<Program> {
        Arc::new(Program::new(Arc::new(self.plan(output))))
    }
}

fn layer() -> Arc<Program> {
    Arc::new(Program::new(Arc::new(layer_plan())))
}

/// `relu(x W + b)`.
fn layer_plan() -> Plan {
    let mut net = Net::new();
    let (weights, bias) = (net.weights(&[WIDTH, 8]), net.weights(&[8]));
    let product = net.node(MatMul, &[net.x(), weights]);
    let sum = net.node(Arithmetic::Add, &[product, bias]);
    let output = net.node(Activation(girandole_kernels::math::Function::RELU), &[sum]);
    net.plan(output)
}

/// Adds 1, on the host: no kernel knows it.
#[derive(Debug)]
struct HostOnly;

impl Op for HostOnly {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> OpResult<Vec<Fact>> {
        Ok(vec![inputs.get(0).cloned().unwrap_or_default()])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> OpResult<Outputs> {
        let x = inputs.tensor(0)?;
        let numbers = x.view::<f32>()?.iter().map(|number| number + 1.0).collect();
        Ok(std::iter::once(Value::Tensor(Tensor::from_vec(x.shape().clone(), numbers)?)).collect())
    }
}

struct Served {
    stub: Arc<Stub>,
    program: Arc<Program>,
    weights: Arc<Weights>,
    precision: Precision,
    /// Bytes that the graphs of a session may hold.
    graphs: usize,
}

impl Served {
    fn new(stub: Stub, program: Arc<Program>) -> Self {
        let stub = Arc::new(stub);
        let weights = Arc::new(Weights::new(Arena::new(stub.clone())));
        Self { stub, program, weights, precision: Precision::Fp32, graphs: usize::MAX }
    }

    fn session(&self) -> GpuSession {
        let plan = self.program.plan().clone();
        let context = Context::new(self.stub.clone(), self.precision, plan, self.weights.clone());
        let growth = Growth::new(self.program.plan(), true, Buckets::Usual);
        let device = Arc::new(StubGpu(self.stub.clone()));
        let allowance = Allowance::new(device, self.weights.bytes(), Arc::default());
        let holdings = Holdings { allowance, graphs: Graphs::new(self.graphs) };
        GpuSession::new(context, self.program.clone(), Arc::new(growth), holdings).unwrap()
    }

    fn count(&self, is: fn(&Event) -> bool) -> usize {
        self.stub.events().iter().filter(|event| is(event)).count()
    }

    fn products(&self) -> usize {
        self.count(|event| matches!(event, Event::Matmul(_)))
    }

    fn replays(&self) -> usize {
        self.count(|event| matches!(event, Event::Replay { .. }))
    }
}

fn run(session: &mut dyn Session, rows: usize) -> Result<BatchOutputs, Error> {
    let numbers: Bytes = (0..rows * WIDTH).flat_map(|i| (i as f32).to_le_bytes()).collect::<Vec<u8>>().into();
    let shape = Shape::new(&[rows, WIDTH]);
    let input = BatchInput { index: 0, dtype: DType::F32, shape, parts: vec![numbers] };
    let (sender, receiver) = mpsc::channel();
    let reply = Reply::new(move |outcome| sender.send(outcome).unwrap());
    session.run(Batch { rows, inputs: vec![input], outputs: vec![0] }, reply);
    receiver.recv().unwrap()
}

#[test]
fn a_shape_is_captured_after_its_first_run_and_replayed_from_then_on() {
    let served = Served::new(Stub::new(), layer());
    let mut session = served.session();
    run(&mut session, 4).unwrap();
    let launched = served.products();
    assert_eq!((launched, served.replays()), (2, 0), "one that ran, one that was captured");
    run(&mut session, 4).unwrap();
    run(&mut session, 4).unwrap();
    assert_eq!((served.products(), served.replays()), (launched, 2));
    run(&mut session, 2).unwrap();
    assert_eq!((served.products(), served.replays()), (2 * launched, 2), "another shape, another graph");
}

#[test]
fn a_replayed_shape_is_timed_now_and_then() {
    let served = Served::new(Stub::new(), layer());
    let mut session = served.session();
    let mut after = |runs: usize| {
        (0..runs).for_each(|_| drop(run(&mut session, 4).unwrap()));
        served.count(|event| matches!(event, Event::Mark(_)))
    };
    assert_eq!(after(2), 2 * 4, "the first run, and the first of the graph");
    assert_eq!(after(20), 2 * 4);
    assert_eq!(after(20), 3 * 4);
}

#[test]
fn a_step_on_the_host_is_run_step_by_step_each_time() {
    let mut net = Net::new();
    let turned = net.node(Activation(girandole_kernels::math::Function::Tanh), &[net.x()]);
    let added = net.node(HostOnly, &[turned]);
    let output = net.node(Activation(girandole_kernels::math::Function::Tanh), &[added]);
    let served = Served::new(Stub::new(), net.program(output));
    let mut session = served.session();
    for _ in 0..3 {
        run(&mut session, 1).unwrap();
    }
    assert_eq!(served.replays(), 0);
    let functions = served.stub.launched().into_iter().filter(|stem| *stem == "unary").count();
    assert_eq!(functions, 3 * 2 + 1, "each run's two, and the one before the capture was given up");
    assert_eq!(served.program.on_host().into_iter().collect::<Vec<_>>(), [("Test", 1)]);
}

#[test]
fn rows_that_are_added_are_taken_off_again() {
    let served = Served::new(Stub::new(), layer());
    let mut session = served.session();
    for rows in [5, 7, 8] {
        let outputs = run(&mut session, rows).unwrap();
        assert_eq!(outputs.tensors[0].shape(), &Shape::new(&[rows, 8]));
        assert_eq!(outputs.tensors[0].data().len(), rows * 8 * 4);
    }
    assert_eq!(served.replays(), 2, "all three are batches of eight");
    let rows = |event: &Event| matches!(event, Event::Upload { bytes, .. } if *bytes == 8 * WIDTH * 4);
    assert_eq!(served.stub.events().iter().filter(|event| rows(event)).count(), 3);
}

#[test]
fn memory_that_runs_out_costs_that_batch_alone() {
    let served = Served::new(Stub::with_memory(64 << 10), layer());
    let mut session = served.session();
    run(&mut session, 16).unwrap();
    let error = run(&mut session, 4096).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("bytes free"), "{}", error.message());
    run(&mut session, 16).unwrap();
}

#[test]
fn graphs_of_other_shapes_make_room() {
    let served = Served::new(Stub::with_memory(64 << 10), layer());
    let mut session = served.session();
    for rows in [16, 32, 64, 128, 256, 512, 16] {
        run(&mut session, rows).unwrap();
    }
}

#[test]
fn two_sessions_share_one_copy_of_the_weights() {
    let served = Served::new(Stub::new(), layer());
    let (mut one, mut other) = (served.session(), served.session());
    run(&mut one, 1).unwrap();
    let written = served.count(|event| matches!(event, Event::Write { .. }));
    assert_eq!(written, 2, "the matrix and the bias");
    run(&mut other, 1).unwrap();
    assert_eq!(served.count(|event| matches!(event, Event::Write { .. })), written);
    assert!(served.weights.bytes() >= (WIDTH * 8 + 8) * 4);
}

#[test]
fn a_transpose_is_a_view_until_somebody_needs_order() {
    let mut net = Net::new();
    let turned = net.node(Transpose::new([1, 0]), &[net.x()]);
    let again = net.node(Transpose::new([1, 0]), &[turned]);
    let output = net.node(Activation(girandole_kernels::math::Function::Exp), &[again]);
    let served = Served::new(Stub::new(), net.program(output));
    run(&mut served.session(), 2).unwrap();
    assert!(!served.stub.launched().contains(&"transpose"), "{:?}", served.stub.launched());
}

#[test]
fn memory_goes_back_with_the_sessions_and_the_model() {
    let served = Served::new(Stub::new(), layer());
    let mut session = served.session();
    run(&mut session, 8).unwrap();
    assert!(served.stub.allocated() > 0);
    drop(session);
    let Served { stub, weights, .. } = served;
    drop(weights);
    assert_eq!(stub.allocated(), 0);
}

#[test]
fn half_precision_is_made_of_f32_and_back() {
    let served = Served { precision: Precision::Fp16, ..Served::new(Stub::new(), layer()) };
    let outputs = run(&mut served.session(), 1).unwrap();
    assert_eq!(outputs.tensors[0].dtype(), DType::F32);
    let launched = served.stub.launched();
    assert!(launched.contains(&"cast_f32") && launched.contains(&"cast_f16"), "{launched:?}");
}
