//! Settings in their layers, sampling, and what the file holds.

use std::{collections::BTreeMap, path::Path, time::Instant};

use bytes::Bytes;
use girandole_core::{DType, ErrorCode, InferRequest, NamedTensor, Shape, Tensor};

use super::*;
use crate::batcher::message::Times;

fn changes(pairs: &[(&str, Option<&str>)]) -> TraceChanges {
    let value = |value: &Option<&str>| value.map(|value| vec![value.to_owned()]);
    pairs.iter().map(|(name, v)| ((*name).to_owned(), value(v))).collect::<BTreeMap<_, _>>()
}

fn tracer(folder: &Path) -> Tracer {
    let file = Some(folder.join("trace.json"));
    Tracer::new(&TraceOptions { file, rate: Some(1), ..TraceOptions::default() }).unwrap()
}

fn shown(tracer: &Tracer, model: Option<&str>, name: &str) -> String {
    tracer.settings(model)[name].join(",")
}

/// One request of these bytes, answered with the same, is traced where it is its turn.
fn trace(tracer: &Tracer, model: &str) -> bool {
    let tensor = Tensor::new(DType::U8, Shape::new(&[1, 2]), Bytes::from_static(&[7, 9])).unwrap();
    let inputs = vec![NamedTensor::new("x", tensor.clone())];
    let request = InferRequest { id: "r\"1".into(), inputs, ..InferRequest::default() };
    let now = Instant::now();
    let sampled = tracer.sample(model);
    if let Some(sampled) = sampled {
        let mut trace = Trace::queued(sampled, (&model.into(), 1), &request, now);
        trace.answered(Times::at(now), [("y", &tensor)]);
        tracer.write(trace.ended());
    }
    sampled.is_some()
}

fn read(path: &Path) -> Vec<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn off_until_told_and_off_again() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    assert!(!trace(&tracer, "m"));
    tracer.update(None, &changes(&[("trace_level", Some("TIMESTAMPS"))])).unwrap();
    assert!(trace(&tracer, "m"));
    tracer.update(None, &changes(&[("trace_level", Some("OFF"))])).unwrap();
    assert!(!trace(&tracer, "m"));
}

#[test]
fn the_rate_picks_one_of_so_many_and_the_count_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    let settings =
        [("trace_level", Some("TIMESTAMPS")), ("trace_rate", Some("3")), ("trace_count", Some("2"))];
    tracer.update(None, &changes(&settings)).unwrap();
    let traced: Vec<_> = (1..=12).filter(|_| trace(&tracer, "m")).collect();
    assert_eq!(traced, [3, 6]);
    assert_eq!(shown(&tracer, None, "trace_count"), "0");
}

#[test]
fn a_model_s_setting_counts_before_the_global_one_until_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    tracer
        .update(Some("m"), &changes(&[("trace_level", Some("TIMESTAMPS")), ("trace_rate", Some("2"))]))
        .unwrap();
    assert_eq!(shown(&tracer, Some("m"), "trace_rate"), "2");
    assert_eq!(shown(&tracer, Some("other"), "trace_rate"), "1");
    assert!(!trace(&tracer, "other"));
    assert!(!trace(&tracer, "m"), "the first of two");
    assert!(trace(&tracer, "m"));
    tracer.update(Some("m"), &changes(&[("trace_level", None), ("trace_rate", None)])).unwrap();
    assert_eq!(shown(&tracer, Some("m"), "trace_level"), "OFF");
    assert!(!trace(&tracer, "m"));
}

#[test]
fn bad_changes_are_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    for (name, value, code, says) in [
        ("trace_rate", Some("0"), ErrorCode::InvalidArgument, "at least 1, got '0'"),
        ("trace_count", Some("-2"), ErrorCode::InvalidArgument, "or -1 for no end"),
        (
            "trace_level",
            Some("MAX"),
            ErrorCode::InvalidArgument,
            "must be OFF, or TIMESTAMPS, TENSORS or both",
        ),
        ("trace_file", Some("/etc/passwd"), ErrorCode::PermissionDenied, "when the server is started"),
        ("trace_file", None, ErrorCode::PermissionDenied, "when the server is started"),
        ("speed", Some("1"), ErrorCode::InvalidArgument, "unknown trace setting 'speed'"),
    ] {
        let asked = changes(&[("log_frequency", Some("7")), (name, value)]);
        let error = tracer.update(None, &asked).unwrap_err();
        assert_eq!(error.code(), code, "{name}");
        assert!(error.message().contains(says), "{error}");
    }
    assert_eq!(shown(&tracer, None, "log_frequency"), "0");
    assert_eq!(shown(&tracer, None, "trace_file"), "trace.json", "without its folder");
}

#[test]
fn without_a_file_nothing_can_be_traced() {
    let error = Tracer::default().update(None, &changes(&[("trace_level", Some("TIMESTAMPS"))])).unwrap_err();
    assert!(error.message().contains("started without a trace file"));
    let level = TraceLevel { tensors: true, ..TraceLevel::default() };
    assert!(Tracer::new(&TraceOptions { level, ..TraceOptions::default() }).is_err());
}

#[test]
fn the_file_is_an_array_of_names_and_timestamps() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    tracer.update(None, &changes(&[("trace_level", Some("TIMESTAMPS"))])).unwrap();
    assert!(trace(&tracer, "a") && trace(&tracer, "b"));
    drop(tracer);
    let entries = read(&folder.path().join("trace.json"));
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[0]["model_name"], "a");
    assert_eq!(entries[2]["request_id"], "r\"1");
    assert_eq!(entries[3]["id"], 2);
    assert_eq!(entries[3]["timestamps"][0]["name"], "REQUEST_START");
}

#[test]
fn levels_can_be_one_both_or_off() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    let set = |levels: &[&str]| {
        let levels = levels.iter().map(|&level| level.to_owned()).collect();
        tracer.update(None, &[("trace_level".to_owned(), Some(levels))].into())
    };
    for (levels, expected) in [
        (&["TENSORS", "TIMESTAMPS"][..], "TIMESTAMPS,TENSORS"),
        (&["TENSORS"], "TENSORS"),
        (&["OFF"], "OFF"),
        (&[], "OFF"),
    ] {
        assert_eq!(set(levels).unwrap()["trace_level"].join(","), expected);
    }
    assert!(set(&["OFF", "TENSORS"]).is_err());
}

#[test]
fn tensors_are_written_with_what_went_in_and_what_came_out() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    tracer.update(None, &changes(&[("trace_level", Some("TENSORS"))])).unwrap();
    assert!(trace(&tracer, "m"));
    drop(tracer);
    let entries = read(&folder.path().join("trace.json"));
    assert_eq!(entries[0]["request_id"], "r\"1");
    let tensor = |name| serde_json::json!({ "name": name, "data": "7,9", "shape": "1,2", "dtype": "UINT8" });
    let seen: Vec<_> = entries[1..].iter().map(|e| (e["activity"].as_str().unwrap(), &e["tensor"])).collect();
    let expected = [("TENSOR_QUEUE_INPUT", &tensor("x")), ("TENSOR_BACKEND_OUTPUT", &tensor("y"))];
    assert_eq!(seen, expected);
}

#[test]
fn a_log_frequency_starts_a_new_file_after_so_many() {
    let folder = tempfile::tempdir().unwrap();
    let tracer = tracer(folder.path());
    let settings = [("trace_level", Some("TIMESTAMPS")), ("log_frequency", Some("2"))];
    tracer.update(None, &changes(&settings)).unwrap();
    (0..3).for_each(|_| assert!(trace(&tracer, "m")));
    drop(tracer);
    assert_eq!(read(&folder.path().join("trace.json.0")).len(), 4);
    assert_eq!(read(&folder.path().join("trace.json.1")).len(), 2);
}
