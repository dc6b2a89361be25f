//! What the gauges show while batches wait and run.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::metrics::{QUEUE_DEPTH, RUNNING};

#[tokio::test(flavor = "multi_thread")]
async fn gauges_show_what_waits_and_what_runs() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let bench = ::metrics::with_local_recorder(&recorder, || Bench::gated(settings(1)));
    let handle = recorder.handle();
    let shown = || {
        let text = handle.render();
        [QUEUE_DEPTH, RUNNING].map(|name| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
            line.rsplit_once(' ').unwrap().1.to_owned()
        })
    };
    assert_eq!(shown(), ["0", "0"]);
    let first = bench.occupy();
    let second = bench.send(&[1]);
    bench.queued(1).await;
    assert_eq!(shown(), ["1", "1"]);
    bench.gate.open();
    assert_eq!((answered(first).await, answered(second).await), (vec![0], vec![1]));
    assert_eq!(shown(), ["0", "0"]);
}
