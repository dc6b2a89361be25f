//! A model on several devices: what each holds, and what the loss of one takes with it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, mpsc},
    thread,
};

use girandole_core::{DeviceKind, MemoryUse, Model, Placement, SessionOptions};
use girandole_cuda::{Fault, Gpu, Queue, stub::StubGpu};

use super::*;
use crate::gpu::{Buckets, GpuModel, GpuOptions, GraphMemory, Guard};

/// Bytes of the layer's matrix and bias.
const WEIGHTS: u64 = (WIDTH * 8 + 8) as u64 * 4;

/// GPUs of a machine; one that was lost is another queue once it is opened anew.
struct Machine(Mutex<Vec<Arc<Stub>>>);

impl Machine {
    fn new(gpus: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new((0..gpus).map(|index| Arc::new(Stub::of_device(index))).collect())))
    }

    fn gpu(&self, index: usize) -> Arc<Stub> {
        self.0.lock().unwrap()[index].clone()
    }

    fn open(&self, index: usize) -> Result<Arc<dyn Gpu>, Fault> {
        let mut gpus = self.0.lock().unwrap();
        if gpus[index].is_lost() {
            gpus[index] = Arc::new(Stub::of_device(index));
        }
        Ok(Arc::new(StubGpu(gpus[index].clone())))
    }

    /// Times that weights were written to a GPU.
    fn writes(&self, index: usize) -> usize {
        self.gpu(index).events().iter().filter(|event| matches!(event, Event::Write { .. })).count()
    }
}

fn options() -> GpuOptions {
    let (precision, graph_memory) = (Precision::Fp32, GraphMemory::default());
    let guard = Guard::of(&BTreeMap::new(), precision).unwrap();
    GpuOptions { precision, guard, buckets: Buckets::default(), graph_memory, first: 0 }
}

fn model(machine: &Arc<Machine>) -> GpuModel {
    let machine = machine.clone();
    GpuModel::with(layer_plan(), options(), Box::new(move |index| machine.open(index))).unwrap()
}

fn on(index: usize) -> SessionOptions {
    SessionOptions { placement: Placement { kind: DeviceKind::Gpu, index }, threads: 1 }
}

/// Bytes of the weights by device.
fn memory(model: &GpuModel) -> BTreeMap<usize, u64> {
    model.memory().into_iter().map(|MemoryUse { placement, bytes }| (placement.index, bytes)).collect()
}

#[test]
fn weights_are_made_once_on_each_device() {
    let machine = Machine::new(3);
    let model = model(&machine);
    let mut sessions: Vec<_> = [0, 1, 0, 1].map(|index| model.session(&on(index)).unwrap()).into();
    for session in &mut sessions {
        run(session.as_mut(), 4).unwrap();
    }
    assert_eq!([0, 1, 2].map(|index| machine.writes(index)), [2, 2, 0], "the matrix and the bias");
    assert_eq!(memory(&model), BTreeMap::from([(0, WEIGHTS), (1, WEIGHTS)]));
    assert_eq!(machine.gpu(2).allocated(), 0);
}

#[test]
fn a_lost_device_takes_nothing_of_another() {
    let machine = Machine::new(2);
    let model = model(&machine);
    let [mut first, mut second] = [0, 1].map(|index| model.session(&on(index)).unwrap());
    for session in [&mut first, &mut second] {
        run(session.as_mut(), 4).unwrap();
    }
    machine.gpu(1).abandon();
    assert!(second.is_lost() && !first.is_lost());
    assert_eq!(run(second.as_mut(), 4).unwrap_err().code(), ErrorCode::Unavailable);
    run(first.as_mut(), 4).unwrap();
    drop(second);
    let mut anew = model.session(&on(1)).unwrap();
    run(anew.as_mut(), 4).unwrap();
    run(first.as_mut(), 4).unwrap();
    assert_eq!([0, 1].map(|index| machine.writes(index)), [2, 2], "its weights, on the device opened anew");
    assert_eq!(memory(&model), BTreeMap::from([(0, WEIGHTS), (1, WEIGHTS)]));
}

#[test]
fn while_a_device_is_opened_the_others_go_on() {
    let machine = Machine::new(2);
    let ((opens, opening), (open, opened)) = (mpsc::channel(), mpsc::channel());
    let opened = Mutex::new(opened);
    let opener = {
        let machine = machine.clone();
        move |index| {
            if index == 1 {
                opens.send(()).unwrap();
                opened.lock().unwrap().recv().unwrap();
            }
            machine.open(index)
        }
    };
    let model = Arc::new(GpuModel::with(layer_plan(), options(), Box::new(opener)).unwrap());
    let slow = thread::spawn({
        let model = model.clone();
        move || drop(model.session(&on(1)).unwrap())
    });
    opening.recv().unwrap();
    let mut session = model.session(&on(0)).unwrap();
    run(session.as_mut(), 4).unwrap();
    assert_eq!(memory(&model), BTreeMap::from([(0, WEIGHTS)]));
    open.send(()).unwrap();
    slow.join().unwrap();
    assert_eq!(memory(&model), BTreeMap::from([(0, WEIGHTS), (1, WEIGHTS)]));
}
