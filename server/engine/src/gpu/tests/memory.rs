//! What models and sessions may take of a device, and what they give back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use girandole_core::{DeviceKind, Error, ErrorCode, Model, Placement, Session, SessionOptions};
use girandole_cuda::{
    Arena, Gpu, Queue,
    stub::{Event, Stub, StubGpu},
};

use super::{HostOnly, Net, Served, WIDTH, layer, layer_plan, run};
use crate::{
    gpu::{Buckets, GpuModel, GpuOptions, GraphMemory, Guard, Precision, weights::Weights},
    ops::{fused::activation::Activation, nn::matmul::MatMul},
};

/// The layer's weights as they are on a device, in its blocks.
const WEIGHTS: usize = 1024;

/// Models on one made-up GPU.
struct Device(Arc<Stub>);

/// A model on the GPU that `stub` gives.
fn model_on(stub: impl Fn() -> Arc<Stub> + Send + Sync + 'static) -> GpuModel {
    let precision = Precision::Fp32;
    let guard = Guard::of(&BTreeMap::new(), precision).unwrap();
    let (buckets, graph_memory) = (Buckets::default(), GraphMemory::Mib(1));
    let options = GpuOptions { precision, guard, buckets, graph_memory, first: 0 };
    let opener = move |_| Ok(Arc::new(StubGpu(stub())) as Arc<dyn Gpu>);
    GpuModel::with(layer_plan(), options, Box::new(opener)).unwrap()
}

impl Device {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Stub::with_memory(bytes)))
    }

    fn model(&self) -> GpuModel {
        let stub = self.0.clone();
        model_on(move || stub.clone())
    }

    fn promised(&self) -> usize {
        StubGpu(self.0.clone()).ledger().promised()
    }
}

fn open(model: &GpuModel) -> Result<Box<dyn Session>, Error> {
    let placement = Placement { kind: DeviceKind::Gpu, index: 0 };
    model.session(&SessionOptions { placement, threads: 1 })
}

#[test]
fn of_two_models_at_once_the_one_that_does_not_fit_is_refused() {
    let weights = (WIDTH * 8 + 8) * 4;
    let device = Device::new(weights * 3 / 2);
    let (first, second) = (device.model(), device.model());
    // Open, and nothing taken yet.
    let session = open(&first).unwrap();
    assert_eq!((device.0.allocated(), device.promised()), (0, weights));
    let refused = open(&second).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::OutOfMemory);
    assert!(refused.message().contains("1 of them promised to what is loading"), "{refused}");
    drop(session);
    assert_eq!(device.promised(), weights, "the model may still want them");
    drop(first);
    open(&second).unwrap();
}

#[test]
fn weights_are_promised_until_a_batch_has_run() {
    let device = Device::new(64 << 10);
    let model = device.model();
    let mut sessions = [open(&model).unwrap(), open(&model).unwrap()];
    assert!(device.promised() > 0 && device.promised() < WEIGHTS, "once for both");
    run(sessions[0].as_mut(), 4).unwrap();
    assert_eq!(device.promised(), 0);
    run(sessions[1].as_mut(), 4).unwrap();
}

#[test]
fn what_a_device_wants_no_weights_for_is_promised_no_longer() {
    let stub = Arc::new(Stub::new());
    let ledger = StubGpu(stub.clone()).ledger().clone();
    let promise = ledger.promise(1 << 20, |_| Ok::<(), Error>(())).unwrap();
    let weights = Arc::new(Weights::promised(Arena::new(stub.clone()), promise));
    let served = Served { stub, weights, ..Served::new(Stub::new(), layer()) };
    let mut session = served.session();
    assert_eq!(ledger.promised(), 1 << 20);
    run(&mut session, 4).unwrap();
    assert_eq!(ledger.promised(), 0);
}

#[test]
fn a_second_session_that_does_not_fit_is_refused_and_the_first_goes_on() {
    let whole = Device::new(1 << 20);
    run(open(&whole.model()).unwrap().as_mut(), 64).unwrap();
    let model = whole.model();
    let mut first = open(&model).unwrap();
    run(first.as_mut(), 64).unwrap();
    let needs = whole.0.allocated();

    let device = Device::new(needs + needs / 2);
    let model = device.model();
    let (mut first, mut late) = (open(&model).unwrap(), open(&model).unwrap());
    run(first.as_mut(), 64).unwrap();
    let refused = open(&model).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::OutOfMemory);
    assert!(refused.message().contains("beside its weights (1 MiB, which are there)"), "{refused}");
    // One that was open before it was known runs nothing either, and says that others can.
    let refused = run(late.as_mut(), 64).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    assert!(refused.message().contains("a session takes"), "{refused}");
    run(first.as_mut(), 64).unwrap();
    drop(first);
    run(late.as_mut(), 64).unwrap();
}

#[test]
fn a_session_is_promised_what_it_has_not_taken_yet() {
    let device = Device::new(1 << 20);
    let model = device.model();
    let mut first = open(&model).unwrap();
    run(first.as_mut(), 64).unwrap();
    let mut second = open(&model).unwrap();
    let all = device.promised();
    assert!(all as u64 == first.memory(), "{all} {}", first.memory());
    run(second.as_mut(), 1).unwrap();
    assert_eq!(device.promised() as u64, first.memory() - second.memory());
    drop(second);
    assert_eq!(device.promised(), 0);
}

#[test]
fn a_large_batch_keeps_nobody_out_after_a_device_was_lost() {
    let memory = 128 << 10;
    let there = Arc::new(Mutex::new(Arc::new(Stub::with_memory(memory))));
    let model = model_on({
        let there = there.clone();
        move || there.lock().unwrap().clone()
    });
    let mut sessions = [open(&model).unwrap(), open(&model).unwrap()];
    run(sessions[0].as_mut(), 512).unwrap();
    assert!(sessions[0].memory() * 2 > memory as u64, "two such do not fit");
    let broken = std::mem::replace(&mut *there.lock().unwrap(), Arc::new(Stub::with_memory(memory)));
    broken.abandon();
    drop(sessions);
    let mut anew = [open(&model).unwrap(), open(&model).unwrap()];
    for session in &mut anew {
        run(session.as_mut(), 4).unwrap();
    }
}

#[test]
fn a_session_tells_what_it_holds_and_what_the_driver_does_for_it() {
    let served = Served::new(Stub::new(), layer());
    let mut session = served.session();
    run(&mut session, 64).unwrap();
    let allocated = served.stub.allocated() - WEIGHTS;
    assert!(session.memory() > allocated as u64, "{} {allocated}", session.memory());
}

#[test]
fn who_made_the_weights_needs_no_more_than_who_found_them() {
    let mut net = Net::new();
    // Far larger than what a batch of one row makes.
    let weights = net.weights(&[WIDTH, 256]);
    let output = net.node(MatMul, &[net.x(), weights]);
    let served = Served { precision: Precision::Fp16, ..Served::new(Stub::new(), net.program(output)) };
    let mut sessions = [served.session(), served.session()];
    let held = sessions.each_mut().map(|session| {
        run(session, 1).unwrap();
        session.memory()
    });
    assert_eq!(held[0], held[1]);
}

#[test]
fn after_many_loads_a_device_has_what_it_had() {
    let device = Device::new(256 << 10);
    for _ in 0..200 {
        let model = device.model();
        let mut sessions = [open(&model).unwrap(), open(&model).unwrap()];
        for session in &mut sessions {
            run(session.as_mut(), 16).unwrap();
        }
        drop(sessions);
        drop(model);
        assert_eq!((device.0.allocated(), device.promised()), (0, 0));
    }
}

#[test]
fn runs_step_by_step_take_no_more_each_time() {
    let mut net = Net::new();
    let turned = net.node(Activation(girandole_kernels::math::Function::Tanh), &[net.x()]);
    let output = net.node(HostOnly, &[turned]);
    let served = Served::new(Stub::new(), net.program(output));
    let mut session = served.session();
    let mut after = |runs: usize| {
        (0..runs).for_each(|_| drop(run(&mut session, 4).unwrap()));
        served.stub.allocated()
    };
    let (few, many) = (after(3), after(100));
    assert_eq!(few, many);
}

#[test]
fn graphs_hold_no_more_than_their_budget() {
    let held = |graphs: usize, shapes: &[usize]| {
        let served = Served { graphs, ..Served::new(Stub::new(), layer()) };
        let mut session = served.session();
        for &rows in shapes {
            run(&mut session, rows).unwrap();
        }
        (served.replays(), served.products(), served.stub.allocated())
    };
    let all = [64, 128, 256, 64, 128, 256];
    assert_eq!(held(usize::MAX, &all).0, 3);
    // Room for the one used last: it is replayed, and the one before it is captured anew.
    let one = 30 << 10;
    assert_eq!(held(one, &[256, 256, 128, 128, 256, 256]).0, 3);
    assert_eq!(held(one, &all).0, 0);
    // A graph too large is captured once and runs step by step from then on.
    let (replays, products, _) = held(2 << 10, &[256; 5]);
    assert_eq!((replays, products), (0, 6));
    // Without any, nothing is captured.
    assert_eq!(held(0, &[256; 5]).1, 5);
}

#[test]
fn what_graphs_held_that_were_given_up_is_used_again() {
    let served = Served { graphs: 30 << 10, ..Served::new(Stub::new(), layer()) };
    let mut session = served.session();
    let mut after = |rounds: usize| {
        (0..rounds).for_each(|_| [128, 256].iter().for_each(|&rows| drop(run(&mut session, rows).unwrap())));
        served.stub.allocated()
    };
    let (few, many) = (after(3), after(50));
    assert_eq!(few, many);
    assert_eq!(served.count(|event| matches!(event, Event::Replay { .. })), 0);
}
