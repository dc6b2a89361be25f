//! Sessions that share the processor, and sessions that hold two batches at once.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use girandole_core::{DeviceKind, ModelSpec, Reply, Session, SessionOptions};

use super::*;

fn start(model: impl Model + 'static, settings: ModelSettings, cores: &Arc<CoreBudget>) -> Arc<Serving> {
    let serving = Serving::start(ServingOptions {
        model: Arc::new(model),
        settings: Arc::new(settings),
        name: "m".into(),
        version: 1,
        cores: cores.clone(),
        on_turned: None,
        on_closed: None,
    });
    Arc::new(serving.unwrap())
}

fn send(serving: &Arc<Serving>, value: u8) -> JoinHandle<Result<Answer>> {
    let serving = serving.clone();
    tokio::spawn(async move { serving.infer(request(&[value]), 1, Instant::now()).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_all_models_together_stay_within_the_cores() {
    let (cores, running, most) =
        (CoreBudget::new(2), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let version = |instances: usize| {
        let threads = (2 / instances).max(1);
        let (running, most) = (running.clone(), most.clone());
        let run = move |batch: &Batch| {
            most.fetch_max(running.fetch_add(threads, Ordering::SeqCst) + threads, Ordering::SeqCst);
            thread::yield_now();
            running.fetch_sub(threads, Ordering::SeqCst);
            echo(batch)
        };
        let settings = ModelSettings { instances: vec![Placement::default(); instances], ..settings(1) };
        start(MockModel::new(spec(1), Arc::new(run)), settings, &cores)
    };
    let versions = [version(1), version(2), version(3)];
    let requests: Vec<_> = (0..90u8).map(|i| send(&versions[usize::from(i) % 3], i)).collect();
    for (value, request) in (0..90).zip(requests) {
        assert_eq!(answered(request).await, [value]);
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_runs_what_the_processor_has_no_room_for() {
    let cores = CoreBudget::new(1);
    let _busy = cores.acquire(1);
    let instances = [DeviceKind::Cpu, DeviceKind::Gpu].map(|kind| Placement { kind, index: 0 }).to_vec();
    let settings = ModelSettings { instances, ..settings(1) };
    let serving = start(MockModel::new(spec(1), Arc::new(echo)), settings, &cores);
    // Instances are woken in turn, so one of the first two requests wakes the one without a core.
    for value in 0..4 {
        assert_eq!(answered(send(&serving, value)).await, [value]);
    }
}

/// A device that takes two batches and answers from a thread of its own.
struct Device(ModelSpec, mpsc::Sender<(Batch, Reply)>);

struct Stream(mpsc::Sender<(Batch, Reply)>);

impl Model for Device {
    fn spec(&self) -> &ModelSpec {
        &self.0
    }

    fn session(&self, _options: &SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(Stream(self.1.clone())))
    }

    fn memory(&self) -> Vec<MemoryUse> {
        Vec::new()
    }
}

impl Session for Stream {
    fn run(&mut self, batch: Batch, reply: Reply) {
        self.0.send((batch, reply)).unwrap();
    }

    fn depth(&self) -> usize {
        2
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_depth_two_holds_two_batches_and_no_more() {
    let (sender, batches) = mpsc::channel();
    let gpu = Placement { kind: DeviceKind::Gpu, index: 0 };
    let settings = ModelSettings { instances: vec![gpu], ..settings(1) };
    let serving = start(Device(spec(1), sender), settings, &CoreBudget::new(1));
    let mut requests = Vec::new();
    for value in 0..3 {
        requests.push(send(&serving, value));
    }
    let mut held: Vec<_> = (0..2).map(|_| batches.recv().unwrap()).collect();
    assert!(batches.try_recv().is_err());
    while serving.batcher.waiting() != 1 {
        tokio::task::yield_now().await;
    }
    while let Some((batch, reply)) = held.pop() {
        reply.send(echo(&batch));
        held.extend(batches.try_recv());
    }
    drop(serving);
    let rest = thread::spawn(move || {
        for (batch, reply) in batches {
            reply.send(echo(&batch));
        }
    });
    for (value, request) in (0..3).zip(requests) {
        assert_eq!(answered(request).await, [value]);
    }
    rest.join().unwrap();
}
