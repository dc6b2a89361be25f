//! Sessions whose device is lost: who is told, and when they run again.

use std::collections::VecDeque;

use girandole_core::{
    BatchInput, DType, DeviceKind, DeviceRun, ErrorCode, ModelSpec, Reply, Session, SessionOptions, Shape,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::*;
use crate::{
    batcher::{dispatch::Dispatch, recover::Stage, testing::message},
    breaker::Breaker,
    settings::CircuitBreaker,
    statistics::Recorder,
};

/// A model on devices that can be lost.
#[derive(Clone)]
struct Lossy {
    spec: ModelSpec,
    /// How the next sessions open; `Ok` once it is empty.
    opens: Arc<Mutex<VecDeque<Result<()>>>>,
    broken: Arc<Mutex<Vec<Placement>>>,
    gate: Gate,
    /// Replies of batches that stand at the gate.
    stuck: Arc<Mutex<Vec<Reply>>>,
}

struct LossySession {
    model: Lossy,
    placement: Placement,
    is_broken: bool,
}

const fn gpu(index: usize) -> Placement {
    Placement { kind: DeviceKind::Gpu, index }
}

impl Lossy {
    fn new(opens: impl IntoIterator<Item = Result<()>>) -> Self {
        let (broken, gate, stuck) = Default::default();
        Self { spec: spec(1), opens: Arc::new(Mutex::new(opens.into_iter().collect())), broken, gate, stuck }
    }

    fn lose(&self, device: Placement) {
        lock(&self.broken).push(device);
    }

    fn serve(&self, instances: usize) -> Bench {
        self.serve_on(&vec![gpu(0); instances])
    }

    fn serve_on(&self, placements: &[Placement]) -> Bench {
        let serving = Serving::start(ServingOptions {
            model: Arc::new(self.clone()),
            settings: Arc::new(ModelSettings { instances: placements.to_vec(), ..settings(1) }),
            name: "m".into(),
            version: 1,
            cores: CoreBudget::new(1),
            on_turned: None,
            on_closed: None,
        });
        Bench { serving: Arc::new(serving.unwrap()), gate: self.gate.clone(), seen: Seen::default() }
    }
}

impl Model for Lossy {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        lock(&self.opens).pop_front().unwrap_or(Ok(()))?;
        let placement = options.placement;
        Ok(Box::new(LossySession { model: self.clone(), placement, is_broken: false }))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        vec![MemoryUse { placement: gpu(0), bytes: 100 }, MemoryUse { placement: gpu(1), bytes: 200 }]
    }
}

impl Session for LossySession {
    /// 200 breaks the device, 100 stands at the gate, everything else comes back.
    fn run(&mut self, batch: Batch, reply: Reply) {
        match batch.inputs[0].parts[0][0] {
            200 => {
                self.is_broken = true;
                reply.send(Err(Error::unavailable("GPU 0 was lost")));
            }
            100 => {
                lock(&self.model.stuck).push(reply);
                self.model.gate.pass();
            }
            _ => reply.send(echo(&batch).map(|outputs| BatchOutputs {
                device: Some(DeviceRun { replayed: true, phases: None }),
                ..outputs
            })),
        }
    }

    fn is_lost(&self) -> bool {
        self.is_broken || lock(&self.model.broken).contains(&self.placement)
    }

    fn memory(&self) -> u64 {
        7
    }
}

fn held() -> Result<()> {
    Err(Error::unavailable("somebody still holds the device"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_opened_anew_and_requests_are_refused_until_then() {
    let bench = Lossy::new([Ok(()), held()]).serve(1);
    let lost = refused(bench.send(&[200])).await;
    assert_eq!(
        (lost.code(), lost.message()),
        (ErrorCode::Unavailable, "model 'm' version 1: GPU 0 was lost")
    );
    // Whoever comes before it could be opened again is not kept waiting.
    let meanwhile = refused(bench.send(&[1])).await;
    assert_eq!(meanwhile.code(), ErrorCode::Unavailable);
    assert!(meanwhile.retry_hint().is_some());
    assert_eq!(bench.serving.health().unwrap_err().code(), ErrorCode::Unavailable);
    while bench.serving.health().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(answered(bench.send(&[2])).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_notices_that_its_device_was_lost() {
    let model = Lossy::new([Ok(()), held()]);
    let bench = model.serve(1);
    model.lose(gpu(0));
    while bench.serving.health().is_ok() {
        tokio::task::yield_now().await;
    }
    let why = bench.serving.health().unwrap_err();
    assert!(why.message().contains("somebody still holds the device"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_batch_that_never_ends_is_refused() {
    let model = Lossy::new([]);
    let bench = model.serve(1);
    let first = bench.send(&[100]);
    bench.gate.wait_for(1);
    let behind = bench.send(&[1]);
    bench.queued(1).await;
    let reply = lock(&model.stuck).pop().unwrap();
    reply.send(Err(Error::unavailable("given up")));
    for request in [first, behind, bench.send(&[2])] {
        let error = refused(request).await;
        assert!(error.code() == ErrorCode::Unavailable && error.message().contains("given up"), "{error}");
    }
    assert_eq!(bench.serving.warm_up(&row(0)).unwrap_err().message(), "given up");
    // It came back after all.
    bench.gate.open();
    while bench.serving.health().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(answered(bench.send(&[3])).await, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_instances_take_over() {
    let bench = Lossy::new([Ok(()), Ok(())].into_iter().chain((0..9).map(|_| held()))).serve(2);
    assert_eq!(refused(bench.send(&[200])).await.code(), ErrorCode::Unavailable);
    for value in 0..9 {
        assert_eq!(answered(bench.send(&[value])).await, [value]);
    }
    assert_eq!(bench.serving.health(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_the_weights_and_what_sessions_hold() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let bench = ::metrics::with_local_recorder(&recorder, || Lossy::new([]).serve(2));
    let shown = |bytes: u64| shows(&recorder, 0, bytes);
    bench.serving.warm_up(&row(1)).unwrap();
    while !shown(100 + 2 * 7) {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.serving.statistics().memory[0], MemoryUse { placement: gpu(0), bytes: 114 });
    drop(bench);
    while !shown(0) {
        tokio::task::yield_now().await;
    }
}

/// Whether a device's gauge says that the version holds so many bytes there.
fn shows(recorder: &PrometheusRecorder, device: usize, bytes: u64) -> bool {
    let labels = format!("model=\"m\",version=\"1\",device=\"{device}\"");
    let line = format!("girandole_device_memory_bytes{{{labels}}} {bytes}");
    recorder.handle().render().lines().any(|shown| shown == line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_takes_its_own_instances_and_no_others() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let model = Lossy::new((0..4).map(|_| Ok(())).chain((0..99).map(|_| held())));
    let placements = [gpu(0), gpu(0), gpu(1), gpu(1)];
    let bench = ::metrics::with_local_recorder(&recorder, || model.serve_on(&placements));
    bench.serving.warm_up(&row(1)).unwrap();
    while !(shows(&recorder, 0, 100 + 2 * 7) && shows(&recorder, 1, 200 + 2 * 7)) {
        tokio::task::yield_now().await;
    }
    model.lose(gpu(1));
    while !shows(&recorder, 1, 200) {
        tokio::task::yield_now().await;
    }
    for value in 0..9 {
        assert_eq!(answered(bench.send(&[value])).await, [value]);
    }
    assert_eq!(bench.serving.health(), Ok(()));
    assert!(shows(&recorder, 0, 100 + 2 * 7));
}

/// A batch of one row.
fn row(value: u8) -> Batch {
    let input = BatchInput {
        index: 0,
        dtype: DType::U8,
        shape: Shape::new(&[1, 1]),
        parts: vec![vec![value].into()],
    };
    Batch { rows: 1, inputs: vec![input], outputs: vec![0] }
}

#[test]
fn parts_that_come_back_when_no_session_is_left_are_refused_and_counted() {
    let recorder = Arc::new(Recorder::new("m", 1));
    let breaker = Arc::new(Breaker::new(("m", 1), CircuitBreaker::On, None));
    let batcher = Batcher::new(&settings(8), 1, recorder.clone(), breaker);
    let mut answers = [1, 2].map(|value| {
        let (message, answer) = message(&batcher.spec, &[value]);
        assert!(batcher.submit(message).is_some());
        answer
    });
    let Dispatch { messages, ticket, reason, .. } = batcher.take(0).unwrap();
    let part = |message| Dispatch { messages: vec![message], stage: Stage::Part, ticket, reason };
    let parts: Vec<_> = messages.into_iter().map(part).collect();
    assert_eq!(parts.len(), 2);
    batcher.failed(0, &Error::unavailable("GPU 0 was lost"));
    batcher.finish(0, ticket, Vec::new(), parts, None);
    for answer in &mut answers {
        assert_eq!(answer.try_recv().unwrap().unwrap_err().message(), "GPU 0 was lost");
    }
    assert_eq!(recorder.snapshot("m", 1, Vec::new()).inference.fail.count, 2);
}
