//! Who gets what, and in which batches.

use girandole_core::RequestedOutput;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_takes_a_request_at_once() {
    let bench = Bench::open(settings(8));
    assert_eq!(answered(bench.send(&[7, 8])).await, [7, 8]);
    assert_eq!(bench.batches(), [[7, 8]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_session_runs_is_the_next_batch() {
    let bench = Bench::gated(settings(4));
    let first = bench.occupy();
    let mut waiting = Vec::new();
    for (i, rows) in [&[1, 2][..], &[3], &[4], &[5, 6]].iter().enumerate() {
        waiting.push(bench.send(rows));
        bench.queued(i + 1).await;
    }
    bench.gate.open();
    assert_eq!(answered(first).await, [0]);
    let mut answers = Vec::new();
    for request in waiting {
        answers.push(answered(request).await);
    }
    assert_eq!(answers, [vec![1, 2], vec![3], vec![4], vec![5, 6]]);
    assert_eq!(bench.batches(), [vec![0], vec![1, 2, 3, 4], vec![5, 6]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preferred_size_does_not_wait_for_the_delay() {
    let mut settings = settings(8);
    if let Some(batching) = &mut settings.batching {
        batching.max_queue_delay = Duration::from_secs(3600);
        batching.preferred_batch_sizes = vec![3];
    }
    let bench = Bench::open(settings);
    let one = bench.send(&[1]);
    bench.queued(1).await;
    let two = bench.send(&[2, 3]);
    assert_eq!((answered(one).await, answered(two).await), (vec![1], vec![2, 3]));
    assert_eq!(bench.batches(), [[1, 2, 3]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_delay_a_lone_request_runs() {
    let mut settings = settings(8);
    if let Some(batching) = &mut settings.batching {
        batching.max_queue_delay = 5 * MS;
    }
    let bench = Bench::open(settings);
    let start = Instant::now();
    assert_eq!(answered(bench.send(&[1])).await, [1]);
    assert!(start.elapsed() >= 5 * MS);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_batching_each_request_runs_alone() {
    let bench = Bench::gated(ModelSettings { batching: None, ..settings(8) });
    let first = bench.occupy();
    let (second, third) = (bench.send(&[1]), bench.send(&[2, 3]));
    bench.queued(2).await;
    bench.gate.open();
    assert_eq!(answered(first).await, [0]);
    assert_eq!((answered(second).await, answered(third).await), (vec![1], vec![2, 3]));
    assert_eq!(bench.batches().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_outputs_share_a_batch() {
    let bench = Bench::gated(settings(8));
    let first = bench.occupy();
    let ask = |name: &str| RequestedOutput { name: name.into(), classification: None };
    let one = bench.send_with(&[1], |request| request.outputs = vec![ask("y2")]);
    bench.queued(1).await;
    let two = bench.send_with(&[2], |request| request.outputs = vec![ask("y3"), ask("y0")]);
    bench.queued(2).await;
    bench.gate.open();
    assert_eq!(first.await.unwrap().unwrap().tensors.len(), 4);
    assert_eq!(one.await.unwrap().unwrap().tensors.len(), 1);
    let two = two.await.unwrap().unwrap();
    assert_eq!(two.tensors.iter().map(bytes).collect::<Vec<_>>(), [[2], [2]]);
    assert_eq!(bench.batches(), [vec![0], vec![1, 2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_count_rows_executions_and_failures() {
    let bench = Bench::open(settings(8));
    answered(bench.send(&[1, 2, 3])).await;
    let late = bench.send_with(&[1], |request| request.deadline = Some(Instant::now() - MS));
    refused(late).await;
    let seen = bench.serving.statistics();
    assert_eq!((seen.inference_count, seen.execution_count), (3, 1));
    assert_eq!((seen.inference.success.count, seen.inference.fail.count), (1, 1));
    assert_eq!(seen.batches[0].batch_size, 3);
}

#[test]
fn a_warm_up_runs_on_every_session_and_is_not_counted() {
    let two = ModelSettings { instances: vec![Placement::default(); 2], ..settings(8) };
    let bench = Bench::open(two);
    let batch = Batch { rows: 1, inputs: Vec::new(), outputs: Vec::new() };
    bench.serving.warm_up(&batch).unwrap();
    assert_eq!(bench.batches().len(), 2);
    bench.serving.warm_up_some(0..1, &batch).unwrap();
    assert_eq!(bench.batches().len(), 3);
    bench.serving.warm_up_some(2..2, &batch).unwrap();
    assert_eq!(bench.batches().len(), 3);
    assert_eq!(bench.serving.statistics().execution_count, 0);
}
