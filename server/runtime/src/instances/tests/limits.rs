//! Full queues, timeouts, deadlines and callers that leave.

use girandole_core::ErrorCode;

use super::*;
use crate::settings::TimeoutAction;

fn with_policy(policy: QueuePolicy) -> ModelSettings {
    ModelSettings { default_queue_policy: policy, ..settings(8) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_with_advice() {
    let bench = Bench::gated(with_policy(QueuePolicy { max_queue_size: Some(2), ..QueuePolicy::default() }));
    let first = bench.occupy();
    let waiting = [bench.send(&[1]), bench.send(&[2])];
    bench.queued(2).await;
    let error = refused(bench.send(&[3])).await;
    assert_eq!(error.code(), ErrorCode::Overloaded);
    assert!(error.retry_hint().is_some());
    assert!(error.message().starts_with("model 'm' version 1: the queue is full: 2 requests"), "{error}");
    bench.gate.open();
    answered(first).await;
    for request in waiting {
        answered(request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_makes_room_and_is_not_run() {
    let bench = Bench::gated(with_policy(QueuePolicy { max_queue_size: Some(1), ..QueuePolicy::default() }));
    let first = bench.occupy();
    let leaving = bench.send(&[1]);
    bench.queued(1).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    assert_eq!(bench.serving.batcher.waiting(), 0, "its payload does not wait for a session");
    let next = bench.send(&[2]);
    bench.gate.open();
    answered(first).await;
    assert_eq!(answered(next).await, [2]);
    assert_eq!(bench.batches(), [[0], [2]]);
    assert_eq!(bench.serving.statistics().inference.fail.count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_answered_while_every_session_is_busy() {
    let bench = Bench::gated(settings(8));
    let first = bench.occupy();
    let error = refused(bench.send_with(&[1], |request| request.queue_timeout = Some(5 * MS))).await;
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
    assert_eq!(bench.serving.batcher.waiting(), 0);
    bench.gate.open();
    answered(first).await;
    assert_eq!(bench.batches(), [[0]]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_kept_by_the_timer_that_measured_it() {
    let bench = Bench::gated(settings(8));
    let first = bench.send(&[0]);
    while bench.batches().is_empty() {
        tokio::task::yield_now().await;
    }
    // On the paused clock this hour passes at once; the machine's own clock has not moved.
    let hour = Some(Duration::from_secs(3600));
    let error = refused(bench.send_with(&[1], |request| request.queue_timeout = hour)).await;
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
    bench.gate.open();
    answered(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_lets_what_stood_behind_run() {
    let mut settings = settings(8);
    if let Some(batching) = &mut settings.batching {
        batching.max_queue_delay = Duration::from_secs(3600);
        batching.preferred_batch_sizes = vec![2];
    }
    let bench = Bench::open(settings);
    let wide = |request: &mut InferRequest| {
        let shape = girandole_core::Shape::new(&[1, 3]);
        let tensor = &mut request.inputs[0].tensor;
        *tensor = Tensor::new(tensor.dtype(), shape, tensor.data().clone()).unwrap();
    };
    let leaving = bench.send_rows(&[9, 9, 9], 1, wide);
    bench.queued(1).await;
    let staying = [bench.send(&[1]), bench.send(&[2])];
    bench.queued(3).await;
    leaving.abort();
    for request in staying {
        answered(request).await;
    }
    assert_eq!(bench.batches().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_request_is_run_in_the_end() {
    let policy = QueuePolicy {
        timeout_action: TimeoutAction::Delay,
        default_timeout: Some(Duration::from_nanos(1)),
        ..QueuePolicy::default()
    };
    let bench = Bench::gated(with_policy(policy));
    let first = bench.occupy();
    let late = bench.send(&[1]);
    bench.queued(1).await;
    bench.gate.open();
    assert_eq!((answered(first).await, answered(late).await), (vec![0], vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_kept_in_the_queue_and_in_the_session() {
    let bench = Bench::gated(settings(8));
    // Long enough for a busy machine to hand it to the session before.
    let running = bench.send_with(&[0], |request| request.deadline = Some(Instant::now() + 2_000 * MS));
    bench.gate.wait_for(1);
    let waiting = bench.send_with(&[1], |request| request.deadline = Some(Instant::now() + 5 * MS));
    assert_eq!(refused(waiting).await.code(), ErrorCode::DeadlineExceeded);
    assert_eq!(refused(running).await.code(), ErrorCode::DeadlineExceeded);
    bench.gate.open();
    answered(bench.send(&[2])).await;
    assert_eq!(bench.batches(), [[0], [2]]);
}
