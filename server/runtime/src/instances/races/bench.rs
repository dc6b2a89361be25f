//! A version whose sessions write down what they are made to do.

use std::{
    panic::resume_unwind,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use girandole_core::{
    Batch, BatchInput, BatchOutputs, DType, DeviceKind, Error, ErrorCode, InferRequest, MemoryUse, Model,
    ModelSpec, Placement, Reply, Result, Session, SessionOptions, Shape, Tensor, mock::gather,
};
use shuttle::future::block_on;

use crate::{
    batcher::{
        message::Answer,
        testing::{request, spec},
    },
    instances::{CoreBudget, Serving, ServingOptions},
    settings::{BatchingSettings, ModelSettings, QueuePolicy},
    sync::{mpsc, now, thread},
};

/// Values of rows that make a session do something.
pub(crate) struct Probe;

impl Probe {
    /// Fails the batch as the caller's mistake.
    pub(crate) const BAD: u8 = 200;
    /// Fails every batch of more than one row for want of memory.
    pub(crate) const LARGE: u8 = 201;
    /// Panics.
    pub(crate) const PANIC: u8 = 202;
    /// Breaks the session.
    pub(crate) const LOSE: u8 = 203;
    /// Is answered by another thread, later.
    pub(crate) const LATER: u8 = 204;
}

/// A version under test.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) instances: usize,
    pub(crate) max_rows: usize,
    /// Batches that a session holds.
    pub(crate) depth: usize,
    /// A device of its own is looked after now and then.
    pub(crate) device: DeviceKind,
    /// How many sessions can be opened in all.
    pub(crate) opens: usize,
    pub(crate) preserve_ordering: bool,
    /// Processor threads that sessions share.
    pub(crate) cores: usize,
    /// What is added to each row.
    pub(crate) adds: u8,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            instances: 1,
            max_rows: 2,
            depth: 1,
            device: DeviceKind::Cpu,
            opens: usize::MAX,
            preserve_ordering: false,
            cores: 2,
            adds: 0,
        }
    }
}

/// What was done, and what should not have been. A session's panics are caught, so it cannot fail a test itself.
#[derive(Default)]
pub(crate) struct Ledger {
    opened: AtomicUsize,
    open: AtomicUsize,
    running: AtomicUsize,
    closed: AtomicUsize,
    /// The device of the session that was opened so many is gone; 0 for none.
    broken: AtomicUsize,
    mistakes: Mutex<Vec<&'static str>>,
}

impl Ledger {
    fn check(&self, right: bool, mistake: &'static str) {
        if !right {
            self.mistakes.lock().unwrap().push(mistake);
        }
    }
}

struct Probed {
    spec: ModelSpec,
    plan: Plan,
    ledger: Arc<Ledger>,
}

struct ProbedSession {
    number: usize,
    plan: Plan,
    ledger: Arc<Ledger>,
    holds: Arc<AtomicUsize>,
    lost: bool,
}

impl Model for Probed {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn session(&self, _options: &SessionOptions) -> Result<Box<dyn Session>> {
        thread::yield_now();
        let number = self.ledger.opened.fetch_add(1, Ordering::SeqCst) + 1;
        if number > self.plan.opens {
            return Err(Error::unavailable("the device is gone"));
        }
        self.ledger.open.fetch_add(1, Ordering::SeqCst);
        let (plan, ledger) = (self.plan, self.ledger.clone());
        Ok(Box::new(ProbedSession { number, plan, ledger, holds: Arc::default(), lost: false }))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        Vec::new()
    }
}

impl ProbedSession {
    fn outcome(&self, batch: &Batch, rows: &[u8]) -> Result<BatchOutputs> {
        let input =
            batch.inputs.first().map(gather).transpose()?.ok_or_else(|| Error::internal("no input"))?;
        match () {
            () if rows.contains(&Probe::BAD) => Err(Error::invalid("a row is bad")),
            () if rows.contains(&Probe::LARGE) && rows.len() > 1 => {
                Err(Error::new(ErrorCode::OutOfMemory, "the batch is too large"))
            }
            () => {
                let sums: Vec<_> = rows.iter().map(|row| row.wrapping_add(self.plan.adds)).collect();
                let sums = Tensor::new(input.dtype(), input.shape().clone(), sums.into())?;
                let tensors = vec![sums; batch.outputs.len()];
                Ok(BatchOutputs { tensors, ..BatchOutputs::default() })
            }
        }
    }
}

impl Session for ProbedSession {
    fn run(&mut self, batch: Batch, reply: Reply) {
        let rows: Vec<u8> = batch.inputs.iter().flat_map(|input| input.parts.concat()).collect();
        let ledger = self.ledger.clone();
        ledger.check(ledger.closed.load(Ordering::SeqCst) == 0, "a batch ran after the version was closed");
        ledger.check(!self.lost, "a batch ran on a lost session");
        let holds = self.holds.fetch_add(1, Ordering::SeqCst) + 1;
        ledger.check(holds <= self.plan.depth, "a session got more batches than it holds");
        ledger.running.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        let (held, done) = (self.holds.clone(), ledger.clone());
        let ended = move || {
            held.fetch_sub(1, Ordering::SeqCst);
            done.running.fetch_sub(1, Ordering::SeqCst);
        };
        if rows.contains(&Probe::PANIC) {
            ended();
            resume_unwind(Box::new("as asked"));
        }
        if rows.contains(&Probe::LOSE) || self.is_lost() {
            self.lost = true;
            ended();
            return reply.send(Err(Error::unavailable("the device was lost")));
        }
        let outcome = self.outcome(&batch, &rows);
        let answer = move || {
            ended();
            reply.send(outcome);
        };
        if rows.contains(&Probe::LATER) {
            thread::spawn(answer);
        } else {
            answer();
        }
    }

    fn depth(&self) -> usize {
        self.plan.depth
    }

    fn is_lost(&self) -> bool {
        self.lost || self.ledger.broken.load(Ordering::SeqCst) == self.number
    }
}

impl Drop for ProbedSession {
    fn drop(&mut self) {
        let idle = self.holds.load(Ordering::SeqCst) == 0;
        self.ledger.check(idle || self.lost, "a session was closed while it ran");
        self.ledger.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A version under test, and what it tells when it is closed.
pub(crate) struct Bench {
    pub(crate) serving: Option<Arc<Serving>>,
    pub(crate) settings: Arc<ModelSettings>,
    ledger: Arc<Ledger>,
    closed: mpsc::Receiver<()>,
}

/// Somebody who waits for rows.
pub(crate) type Caller = thread::JoinHandle<Result<Vec<u8>>>;

impl Bench {
    pub(crate) fn start(plan: Plan) -> Self {
        let (ledger, (close, closed)) = (Arc::new(Ledger::default()), mpsc::channel());
        let settings = Arc::new(settings(plan));
        let (noted, spec) = (ledger.clone(), settings.spec.clone());
        let serving = Serving::start(ServingOptions {
            model: Arc::new(Probed { spec, plan, ledger: ledger.clone() }),
            settings: settings.clone(),
            name: "m".into(),
            version: plan.adds.into(),
            cores: CoreBudget::new(plan.cores),
            on_turned: None,
            on_closed: Some(Box::new(move || {
                noted.check(noted.open.load(Ordering::SeqCst) == 0, "closed with a session open");
                noted.check(noted.running.load(Ordering::SeqCst) == 0, "closed while a batch ran");
                noted.closed.fetch_add(1, Ordering::SeqCst);
                close.send(()).unwrap();
            })),
        });
        Self { serving: Some(Arc::new(serving.unwrap())), settings, ledger, closed }
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        self.serving.clone().unwrap()
    }

    /// Breaks the device of the session that was opened first, whatever it does now.
    pub(crate) fn break_first(&self) {
        self.ledger.broken.store(1, Ordering::SeqCst);
    }

    /// A caller on a thread of its own.
    pub(crate) fn send(&self, values: &'static [u8]) -> Caller {
        let serving = self.serving();
        thread::spawn(move || ask(&serving, values))
    }

    /// Lets the version go, and waits until it is closed.
    pub(crate) fn end(mut self) {
        drop(self.serving.take());
        self.closed();
    }

    /// Waits until the version is closed.
    pub(crate) fn closed(&self) {
        self.closed.recv().unwrap();
        assert_eq!(*self.ledger.mistakes.lock().unwrap(), [""; 0]);
        assert_eq!(self.ledger.closed.load(Ordering::SeqCst), 1, "closed once");
    }
}

/// What a request of these rows comes back with.
pub(crate) fn ask(serving: &Serving, values: &[u8]) -> Result<Vec<u8>> {
    block_on(infer(serving, values, |_| {}))
}

/// The same as a future of a request that `change` changes.
pub(crate) async fn infer(
    serving: &Serving,
    values: &[u8],
    change: impl FnOnce(&mut InferRequest),
) -> Result<Vec<u8>> {
    let mut request = request(values);
    change(&mut request);
    serving.infer(request, values.len(), now()).await.map(|answer| first_output(&answer))
}

pub(crate) fn first_output(answer: &Answer) -> Vec<u8> {
    answer.tensors[0].data().to_vec()
}

/// A batch of one row.
pub(crate) fn row() -> Batch {
    let input =
        BatchInput { index: 0, dtype: DType::U8, shape: Shape::new(&[1, 1]), parts: vec![vec![0].into()] };
    Batch { rows: 1, inputs: vec![input], outputs: vec![0] }
}

fn settings(plan: Plan) -> ModelSettings {
    ModelSettings {
        spec: spec(plan.max_rows),
        instances: vec![Placement { kind: plan.device, index: 0 }; plan.instances],
        batching: Some(BatchingSettings {
            preferred_batch_sizes: Vec::new(),
            max_queue_delay: std::time::Duration::ZERO,
            preserve_ordering: plan.preserve_ordering,
            priority_levels: 1,
            default_priority: 1,
            priority_policies: Default::default(),
        }),
        default_queue_policy: QueuePolicy::default(),
        warmup: Vec::new(),
        circuit_breaker: Default::default(),
        class_labels: Default::default(),
        parameters: Default::default(),
    }
}

/// Each caller hears its own rows, or that nothing serves any more.
pub(crate) fn answered_or_unavailable<const N: usize>(callers: [(&'static [u8; 1], Caller); N]) {
    for (values, caller) in callers {
        match caller.join().unwrap() {
            Ok(answer) => assert_eq!(answer, values),
            Err(error) => assert_eq!(error.code(), ErrorCode::Unavailable, "{error}"),
        }
    }
}
