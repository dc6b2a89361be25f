//! The metrics' listener.

use std::sync::Arc;

use girandole_api::{ApiOptions, Metrics};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{net::TcpListener, time::Instant};

use crate::harness::Server;

#[tokio::test]
async fn metrics_are_served_as_prometheus_text() {
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let metrics = Some(Metrics { listener, render: Arc::new(move || handle.render()) });
    let options = ApiOptions { metrics, ..ApiOptions::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let log = Arc::new(crate::harness::Log::default());
    let shutdown = async {
        drop(stopped.await);
        Instant::now()
    };
    let serving = girandole_api::serve(options, server.service.clone(), log, shutdown);
    let serving = tokio::spawn(serving);
    metrics::with_local_recorder(&recorder, || {
        metrics::describe_counter!("things", "Things that happened");
        metrics::counter!("things").increment(3);
    });
    let answer = crate::harness::fetch(&format!("http://{address}/metrics")).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text().contains("# TYPE things counter\nthings 3"), "{}", answer.text());
    assert_eq!(crate::harness::fetch(&format!("http://{address}/")).await.status, 404);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
