//! What happens to the queue and the sessions when a version goes.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use girandole_core::{ErrorCode, ModelSpec, Session, SessionOptions};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn closing_finishes_what_waits_and_refuses_what_comes() {
    let bench = Bench::gated(settings(2));
    let first = bench.occupy();
    let waiting: Vec<_> = (1..6).map(|value| bench.send(&[value])).collect();
    bench.queued(5).await;
    bench.serving.batcher.close();
    assert_eq!(refused(bench.send(&[9])).await.code(), ErrorCode::Unavailable);
    bench.gate.open();
    answered(first).await;
    for (value, request) in (1..6).zip(waiting) {
        assert_eq!(answered(request).await, [value]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aborting_refuses_what_waits_and_finishes_what_runs() {
    let bench = Bench::gated(settings(2));
    let first = bench.occupy();
    let waiting = bench.send(&[1]);
    bench.queued(1).await;
    bench.serving.abort();
    assert_eq!(refused(waiting).await.code(), ErrorCode::Unavailable);
    bench.gate.open();
    assert_eq!(answered(first).await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn aborting_refuses_what_was_to_run_again() {
    let slow = Gate::default();
    let at = slow.clone();
    let bench = Bench::with(settings(8), move |batch| {
        if batch.rows == 3 {
            return Err(Error::invalid("a value is out of range"));
        }
        if batch.inputs[0].parts[0][0] == 1 {
            at.pass();
        }
        echo(batch)
    });
    let first = bench.occupy();
    let mut waiting = Vec::new();
    for value in 1..=3 {
        waiting.push(bench.send(&[value]));
        bench.queued(value.into()).await;
    }
    bench.gate.open();
    answered(first).await;
    slow.wait_for(1);
    bench.serving.abort();
    for request in waiting.split_off(1) {
        assert_eq!(refused(request).await.code(), ErrorCode::Unavailable);
    }
    slow.open();
    assert_eq!(answered(waiting.remove(0)).await, [1]);
}

#[test]
fn when_the_last_session_is_closed_the_model_is_gone() {
    let model = Arc::new(MockModel::identity(spec(1)));
    let (weak, (closed, seen)) = (Arc::downgrade(&model), mpsc::channel());
    let serving = Serving::start(ServingOptions {
        model,
        settings: Arc::new(ModelSettings { instances: vec![Placement::default(); 3], ..settings(1) }),
        name: "m".into(),
        version: 1,
        cores: CoreBudget::new(1),
        on_turned: None,
        on_closed: Some(Box::new(move || closed.send(weak.strong_count()).unwrap())),
    });
    drop(serving.unwrap());
    assert_eq!(seen.recv().unwrap(), 0);
    assert!(seen.recv().is_err(), "called once");
}

/// Opens one session and no more.
struct Broken(ModelSpec, AtomicUsize);

impl Model for Broken {
    fn spec(&self) -> &ModelSpec {
        &self.0
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 => MockModel::identity(self.0.clone()).session(options),
            _ => Err(Error::new(ErrorCode::OutOfMemory, "no memory for a second session")),
        }
    }

    fn memory(&self) -> Vec<MemoryUse> {
        Vec::new()
    }
}

#[test]
fn a_session_that_cannot_be_opened_closes_the_others() {
    let (closed, seen) = mpsc::channel();
    let serving = Serving::start(ServingOptions {
        model: Arc::new(Broken(spec(1), AtomicUsize::new(0))),
        settings: Arc::new(ModelSettings { instances: vec![Placement::default(); 2], ..settings(1) }),
        name: "m".into(),
        version: 1,
        cores: CoreBudget::new(1),
        on_turned: None,
        on_closed: Some(Box::new(move || closed.send(()).unwrap())),
    });
    assert_eq!(serving.map(drop).unwrap_err().code(), ErrorCode::OutOfMemory);
    seen.recv().unwrap();
}
