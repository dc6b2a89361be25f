//! Sequences of many lengths on one graph: on a queue that writes down what it is asked, and on a device.

use std::sync::{Arc, mpsc};

use girandole_core::{
    Batch, BatchInput, BatchOutputs, DeviceKind, Model, Placement, Reply, Session, SessionOptions, Shape,
};
use girandole_cuda::stub::{Event, Stub};
use girandole_proto::onnx::tensor_proto::DataType;

use super::Served;
use crate::{
    gpu::{Buckets, GpuModel, GpuOptions, GraphMemory, Guard, Precision, program::Program},
    ops::RunContext,
    padding::tests::{
        net::{Net, WIDTH},
        words,
    },
    plan::Plan,
    value::{Tensor, Value, to_wire},
};

/// An encoder of two outputs: every place, `[batch, sequence, width]`, and their mean, `[batch, width]`.
fn encoder() -> Plan {
    let mut net = Net::of_words();
    let x = net.embedded("ids");
    let additive = net.additive("mask", f32::MIN);
    let x = net.layer(&x, &additive);
    let pooled = net.mean(&x, "mask");
    net.plan(&[&x, &pooled])
}

fn batch(inputs: &[Tensor], outputs: usize) -> Batch {
    let wire: Vec<_> = inputs.iter().map(|input| to_wire(input).unwrap()).collect();
    let input = |(index, tensor): (usize, &girandole_core::Tensor)| BatchInput {
        index,
        dtype: tensor.dtype(),
        shape: tensor.shape().clone(),
        parts: vec![tensor.data().clone()],
    };
    let rows = wire[0].shape()[0];
    Batch { rows, inputs: wire.iter().enumerate().map(input).collect(), outputs: (0..outputs).collect() }
}

fn run(session: &mut dyn Session, inputs: &[Tensor], outputs: usize) -> BatchOutputs {
    let (sender, receiver) = mpsc::channel();
    session.run(batch(inputs, outputs), Reply::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv().unwrap().unwrap()
}

#[test]
fn lengths_of_a_bucket_share_a_graph() {
    let served = Served::new(Stub::new(), Arc::new(Program::new(Arc::new(encoder()))));
    let mut session = served.session();
    for length in [3, 5, 8, 7] {
        let outputs = run(&mut session, &words(2, length, 0), 2);
        assert_eq!(outputs.tensors[0].shape(), &Shape::new(&[2, length, WIDTH]));
        assert_eq!(outputs.tensors[0].data().len(), 2 * length * WIDTH * 4);
        assert_eq!(outputs.tensors[1].shape(), &Shape::new(&[2, WIDTH]));
    }
    assert_eq!(served.replays(), 3, "all four are of length eight");
    run(&mut session, &words(2, 9, 0), 2);
    assert_eq!(served.replays(), 3, "another bucket, another graph");
}

#[test]
fn a_row_that_is_masked_as_a_whole_is_not_padded() {
    let served = Served::new(Stub::new(), Arc::new(Program::new(Arc::new(encoder()))));
    let mut session = served.session();
    let uploads = |served: &Served| {
        let bytes = |event: &Event| match event {
            Event::Upload { bytes, .. } => Some(*bytes),
            _ => None,
        };
        served.stub.events().iter().filter_map(bytes).next_back()
    };
    run(&mut session, &words(2, 3, 3), 2);
    let (short, aligned) = (uploads(&served), 256 * 2);
    assert_eq!(short, Some(aligned), "each input is padded to 256 bytes");
    run(&mut session, &words(2, 3, 0), 2);
    assert_eq!(
        served.replays(),
        0,
        "the second row's mask is 0 everywhere, so the first run is of its own shape"
    );
}

#[test]
fn inputs_that_stay_on_the_host_are_not_made_larger() {
    let mut net = Net::default();
    net.input("x", DataType::Uint8, &["batch", "4"]);
    let floats = net.op_with("Cast", &["x"], vec![crate::ops::function::int("to", DataType::Float as i64)]);
    let weights = net.weights(&[4, WIDTH]);
    let made = net.op("MatMul", &[&floats, &weights]);
    let served = Served::new(Stub::new(), Arc::new(Program::new(Arc::new(net.plan(&[&made])))));
    let input = Tensor::from_vec(vec![5, 4], vec![1u8; 20]).unwrap();
    let outputs = run(&mut served.session(), &[input], 1);
    assert_eq!(outputs.tensors[0].shape(), &Shape::new(&[5, WIDTH]));
}

/// On a device: `cargo nextest run -p girandole-engine --features cuda --run-ignored all sequences`.
#[test]
#[ignore = "needs a GPU"]
fn a_device_gives_what_the_processor_gives_without_padding() {
    let plan = encoder();
    let options = GpuOptions {
        precision: Precision::Fp32,
        guard: Guard::of(&[].into(), Precision::Fp32).unwrap(),
        buckets: Buckets::Usual,
        graph_memory: GraphMemory::Usual,
        first: 0,
    };
    let model = GpuModel::new(encoder(), options).unwrap();
    let placement = Placement { kind: DeviceKind::Gpu, index: 0 };
    let mut session = model.session(&SessionOptions { placement, threads: 1 }).unwrap();
    let mut replayed = 0;
    for (length, masked) in [(3, 0), (5, 2), (8, 0), (7, 6), (1, 0), (9, 3), (12, 0), (5, 5)] {
        let inputs = words(3, length, masked);
        let came = run(&mut *session, &inputs, 2);
        let values = inputs.iter().cloned().map(Value::Tensor).collect();
        let expected = plan.run(values, &RunContext::default()).unwrap();
        for (came, expected) in came.tensors.iter().zip(&expected) {
            let expected = to_wire(expected.tensor().unwrap()).unwrap();
            let difference = girandole_core::Difference::of(came, &expected).unwrap();
            assert!(difference.relative < 1e-5, "{length}: {difference:?}");
        }
        replayed += usize::from(came.device.unwrap().replayed);
    }
    assert_eq!(
        replayed, 5,
        "buckets of eight and sixteen, and one that is masked as a whole, are captured once"
    );
}
