//! `preserve_ordering`: two sessions, the second faster.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_second_batch_waits_for_the_first() {
    let mut settings = ModelSettings { instances: vec![Placement::default(); 2], ..settings(1) };
    if let Some(batching) = &mut settings.batching {
        batching.preserve_ordering = true;
    }
    let slow = Gate::default();
    let at = slow.clone();
    let bench = Bench::with(settings, move |batch| {
        if batch.inputs[0].parts[0][0] == 1 {
            at.pass();
        }
        echo(batch)
    });
    bench.gate.open();
    let first = bench.send(&[1]);
    slow.wait_for(1);
    let second = bench.send(&[2]);
    // The second session has computed its answer once it comes back for more: the statistics say so.
    while bench.serving.statistics().execution_count == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    slow.open();
    assert_eq!((answered(first).await, answered(second).await), (vec![1], vec![2]));
}
