//! Requests through the door: routing, checks, outputs and traces.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use girandole_core::{
    Batch, BatchOutputs, Error, ErrorCode, InferRequest, RequestedOutput, Result, RouteReason,
    VersionSelector, bytes_tensor,
    mock::{MockModel, gather},
};

use super::*;
use crate::{
    batcher::testing::{request, spec},
    instances::{CoreBudget, Serving, ServingOptions},
    settings::{ModelSettings, QueuePolicy},
    snapshot::{ServedModel, ServedVersion, VersionStatus},
    trace::TraceOptions,
};

fn echo(batch: &Batch) -> Result<BatchOutputs> {
    let tensor = gather(&batch.inputs[0])?;
    Ok(BatchOutputs { tensors: vec![tensor; batch.outputs.len()], ..BatchOutputs::default() })
}

fn version(number: u64) -> Arc<ServedVersion> {
    let settings = Arc::new(ModelSettings {
        spec: spec(4),
        instances: Vec::new(),
        batching: None,
        default_queue_policy: QueuePolicy::default(),
        warmup: Vec::new(),
        circuit_breaker: Default::default(),
        class_labels: [("y1".to_owned(), vec!["cat".to_owned(), "dog".to_owned()])].into(),
        parameters: BTreeMap::new(),
    });
    let serving = Serving::start(ServingOptions {
        model: Arc::new(MockModel::new(spec(4), Arc::new(echo))),
        settings: settings.clone(),
        name: "m".into(),
        version: number,
        cores: CoreBudget::new(1),
        on_turned: None,
        on_closed: None,
    });
    let (model, config) = ("m".into(), Arc::default());
    Arc::new(ServedVersion {
        model,
        version: number,
        settings,
        config,
        digest: None,
        precision: None,
        serving: serving.unwrap(),
    })
}

/// Versions 1 and 3 of `m` serve, 4 is loading; `broken` has failed.
fn service(tracer: Tracer, in_flight: ByteBudget) -> Service {
    let status = |state, reason: &str| VersionStatus { state, reason: reason.to_owned() };
    let m = ServedModel {
        name: "m".into(),
        versions: [1, 3].map(|number| (number, version(number))).into(),
        states: [(4, status(VersionState::Loading, ""))].into(),
        problem: None,
        routes: Arc::default(),
    };
    let broken = ServedModel {
        name: "broken".into(),
        versions: BTreeMap::new(),
        states: [(1, status(VersionState::Unavailable, "an unknown op"))].into(),
        problem: None,
        routes: Arc::default(),
    };
    let models = [m, broken].map(|model| (model.name.clone(), Arc::new(model))).into();
    let shared = Shared::new(std::sync::mpsc::channel().0, false, in_flight, tracer);
    shared.snapshot.store(Arc::new(Snapshot { models, ..Snapshot::default() }));
    Service(Arc::new(shared))
}

fn plain() -> Service {
    service(Tracer::default(), ByteBudget::default())
}

fn ask(model: &str, selector: &str) -> InferRequest {
    InferRequest { model: model.into(), version: VersionSelector::parse(selector), ..request(&[5, 6]) }
}

async fn failure(service: &Service, request: InferRequest) -> (ErrorCode, String) {
    let error = service.infer(request).await.unwrap_err();
    (error.code(), error.message().to_owned())
}

#[tokio::test]
async fn a_request_goes_to_its_version_and_comes_back_named() {
    let service = plain();
    for (selector, expected) in [("", 3), ("1", 1), ("3", 3)] {
        let response = service.infer(InferRequest { id: "a".into(), ..ask("m", selector) }).await.unwrap();
        assert_eq!((response.version, response.id.as_str(), response.model.as_str()), (expected, "a", "m"));
        let names: Vec<_> = response.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["y0", "y1", "y2", "y3"]);
        assert_eq!(response.outputs[0].tensor.data()[..], [5, 6]);
    }
}

#[tokio::test]
async fn a_version_that_is_out_is_tried_by_one_request_at_a_time_and_others_go_elsewhere() {
    let service = plain();
    let snapshot = service.0.snapshot.load_full();
    let out = snapshot.models["m"].versions[&3].serving.breaker();
    let goes = |selector| {
        let routed = snapshot.route(&ask("m", selector)).unwrap();
        (routed.version.version, routed.route.reason, routed.trial)
    };
    out.without_session(true, Instant::now());
    assert!(matches!(goes(""), (1, RouteReason::Fallback, None)));
    assert!(matches!(goes("3"), (3, RouteReason::Version, None)));
    out.without_session(false, Instant::now());
    assert!(matches!(goes(""), (3, RouteReason::Newest, None)));
    // An hour ago, so that it is time to try.
    let then = Instant::now().checked_sub(Duration::from_secs(3600)).unwrap();
    (0..5).for_each(|_| out.ran(Err(&Error::internal("it was odd")), then));
    let first = goes("");
    assert!(matches!(first, (3, RouteReason::Newest, Some(_))));
    assert!(matches!(goes(""), (1, RouteReason::Fallback, None)));
    assert!(matches!(goes("3"), (3, RouteReason::Version, None)));
    drop(first);
    assert!(matches!(goes(""), (3, RouteReason::Newest, Some(_))));
}

#[tokio::test]
async fn what_cannot_be_routed_says_why() {
    let service = plain();
    use ErrorCode::{NotFound, Unavailable};
    for (model, selector, code, message) in [
        ("nope", "", NotFound, "unknown model 'nope'"),
        ("m", "2", NotFound, "model 'm' has no version 2; serving: 1, 3"),
        ("m", "4", Unavailable, "model 'm' version 4 is LOADING"),
        ("m", "blue", NotFound, "model 'm' has no version label 'blue'; labels: none"),
        ("broken", "", Unavailable, "model 'broken' does not serve: version 1 is UNAVAILABLE: an unknown op"),
    ] {
        assert_eq!(failure(&service, ask(model, selector)).await, (code, message.to_owned()));
    }
    let error = service.infer(ask("m", "4")).await.unwrap_err();
    assert!(error.retry_hint().is_some());
}

#[tokio::test]
async fn outputs_come_in_the_order_asked_for_and_classified_where_asked() {
    let output = |name: &str, classification| RequestedOutput { name: name.into(), classification };
    let outputs = vec![output("y3", None), output("y1", Some(1))];
    let response = plain().infer(InferRequest { outputs, ..ask("m", "") }).await.unwrap();
    let names: Vec<_> = response.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["y3", "y1"]);
    let classes: Vec<_> = bytes_tensor::iter(response.outputs[1].tensor.data()).collect();
    assert_eq!(classes, [b"5:0:cat", b"6:0:cat"]);
    let outputs = vec![output("y1", Some(0))];
    let (code, _) = failure(&plain(), InferRequest { outputs, ..ask("m", "") }).await;
    assert_eq!(code, ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_counted() {
    let service = plain();
    let bad = InferRequest { inputs: Vec::new(), ..ask("m", "") };
    assert_eq!(failure(&service, bad).await.0, ErrorCode::InvalidArgument);
    let snapshot = service.0.snapshot.load();
    let version = snapshot.find("m", &VersionSelector::Any).unwrap();
    assert_eq!(version.serving.statistics().inference.fail.count, 1);
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_a_shutdown_refuses() {
    let service = service(Tracer::default(), ByteBudget::new(1));
    assert_eq!(failure(&service, ask("m", "")).await.0, ErrorCode::TooLarge);
    service.0.shutting_down.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(failure(&service, ask("m", "")).await.0, ErrorCode::Unavailable);
}

#[tokio::test]
async fn a_trace_has_the_request_from_start_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    let options = TraceOptions { file: Some(file.clone()), rate: Some(1), ..TraceOptions::default() };
    let service = service(Tracer::new(&options).unwrap(), ByteBudget::default());
    let on = [("trace_level".to_owned(), Some(vec!["TIMESTAMPS".to_owned()]))].into();
    assert_eq!(service.update_trace_settings(Some("nope"), &on).unwrap_err().code(), ErrorCode::NotFound);
    let now = service.update_trace_settings(Some("m"), &on).unwrap();
    assert_eq!(now, service.trace_settings(Some("m")).unwrap());
    service.infer(ask("m", "1")).await.unwrap();
    drop(service);
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&entries[0]["model_name"], &entries[0]["model_version"]), (&"m".into(), &1.into()));
    let stamps = entries[1]["timestamps"].as_array().unwrap();
    let names: Vec<_> = stamps.iter().filter_map(|stamp| stamp["name"].as_str()).collect();
    let expected = [
        "REQUEST_START",
        "QUEUE_START",
        "COMPUTE_START",
        "COMPUTE_INPUT_END",
        "COMPUTE_OUTPUT_START",
        "COMPUTE_END",
        "REQUEST_END",
    ];
    assert_eq!(names, expected);
    assert!(stamps.is_sorted_by_key(|stamp| stamp["ns"].as_u64()));
}
