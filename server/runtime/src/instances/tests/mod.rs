//! A version's queue and sessions together, over models of closures that wait at a gate.

mod answers;
mod breaker;
mod devices;
mod failures;
mod limits;
mod lost;
mod metrics;
mod ordering;
mod property;
mod shutdown;

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use girandole_core::{
    BatchOutputs, MemoryUse, Placement, Tensor,
    mock::{MockModel, gather},
};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    batcher::testing::{request, spec},
    settings::{BatchingSettings, QueuePolicy},
    sync::lock,
};

pub(super) const MS: Duration = Duration::from_millis(1);

/// Holds sessions until it is opened, and counts those that have come to it.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// Lets everybody pass from now on.
    pub(super) fn open(&self) {
        lock(&self.0.0).open = true;
        self.0.1.notify_all();
    }

    /// Blocks until so many sessions have come.
    pub(super) fn wait_for(&self, sessions: usize) {
        let mut state = lock(&self.0.0);
        while state.arrived < sessions {
            state = self.0.1.wait(state).unwrap();
        }
    }

    pub(super) fn pass(&self) {
        let mut state = lock(&self.0.0);
        state.arrived += 1;
        self.0.1.notify_all();
        while !state.open {
            state = self.0.1.wait(state).unwrap();
        }
    }
}

/// What the sessions of a test saw: each batch's rows.
pub(super) type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// A version under test.
pub(super) struct Bench {
    pub(super) serving: Arc<Serving>,
    pub(super) gate: Gate,
    pub(super) seen: Seen,
}

pub(super) fn settings(max_rows: usize) -> ModelSettings {
    ModelSettings {
        spec: spec(max_rows),
        instances: vec![Placement::default()],
        batching: Some(BatchingSettings {
            preferred_batch_sizes: Vec::new(),
            max_queue_delay: Duration::ZERO,
            preserve_ordering: false,
            priority_levels: 1,
            default_priority: 1,
            priority_policies: BTreeMap::new(),
        }),
        default_queue_policy: QueuePolicy::default(),
        warmup: Vec::new(),
        circuit_breaker: Default::default(),
        class_labels: BTreeMap::new(),
        parameters: BTreeMap::new(),
    }
}

/// Each of the outputs asked for is the input.
pub(super) fn echo(batch: &Batch) -> Result<BatchOutputs> {
    let input = batch.inputs.first().map(gather).transpose()?;
    let tensors = batch.outputs.iter().filter_map(|_| input.clone()).collect();
    Ok(BatchOutputs { tensors, ..BatchOutputs::default() })
}

impl Bench {
    /// Sessions that echo, at an open gate.
    pub(super) fn open(settings: ModelSettings) -> Self {
        let bench = Self::gated(settings);
        bench.gate.open();
        bench
    }

    /// Sessions that echo, at a closed gate.
    pub(super) fn gated(settings: ModelSettings) -> Self {
        Self::with(settings, echo)
    }

    /// Sessions that pass the gate and do `run`.
    pub(super) fn with(
        settings: ModelSettings,
        run: impl Fn(&Batch) -> Result<BatchOutputs> + Send + Sync + 'static,
    ) -> Self {
        let (gate, seen) = (Gate::default(), Seen::default());
        let (at, saw) = (gate.clone(), seen.clone());
        let run = move |batch: &Batch| {
            let rows = batch.inputs.iter().flat_map(|input| input.parts.concat()).collect();
            lock(&saw).push(rows);
            at.pass();
            run(batch)
        };
        let model = MockModel::new(spec(settings.spec.max_batch_size), Arc::new(run));
        let serving = Serving::start(ServingOptions {
            model: Arc::new(model),
            settings: Arc::new(settings),
            name: "m".into(),
            version: 1,
            cores: CoreBudget::new(64),
            on_turned: None,
            on_closed: None,
        });
        Self { serving: Arc::new(serving.unwrap()), gate, seen }
    }

    /// Sends a request of these rows from a task of its own.
    pub(super) fn send(&self, values: &[u8]) -> JoinHandle<Result<Answer>> {
        self.send_with(values, |_| {})
    }

    pub(super) fn send_with(
        &self,
        values: &[u8],
        change: impl FnOnce(&mut InferRequest),
    ) -> JoinHandle<Result<Answer>> {
        self.send_rows(values, values.len(), change)
    }

    /// Sends these values as so many rows, as `change` shapes them.
    pub(super) fn send_rows(
        &self,
        values: &[u8],
        rows: usize,
        change: impl FnOnce(&mut InferRequest),
    ) -> JoinHandle<Result<Answer>> {
        let serving = self.serving.clone();
        let mut request = request(values);
        change(&mut request);
        tokio::spawn(async move { serving.infer(request, rows, Instant::now()).await })
    }

    /// Occupies the one session, so that what follows waits in the queue.
    pub(super) fn occupy(&self) -> JoinHandle<Result<Answer>> {
        let first = self.send(&[0]);
        self.gate.wait_for(1);
        first
    }

    /// Lets the tasks run until so many requests wait.
    pub(super) async fn queued(&self, requests: usize) {
        while self.serving.batcher.waiting() != requests {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn batches(&self) -> Vec<Vec<u8>> {
        lock(&self.seen).clone()
    }
}

pub(super) fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.data().to_vec()
}

pub(super) async fn answered(request: JoinHandle<Result<Answer>>) -> Vec<u8> {
    bytes(&request.await.unwrap().unwrap().tensors[0])
}

pub(super) async fn refused(request: JoinHandle<Result<Answer>>) -> Error {
    request.await.unwrap().unwrap_err()
}
