//! Trace settings, of the server and of single models: shown and changed, all or none.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State};
use girandole_core::Result;
use girandole_runtime::trace::{TraceChanges, TraceSettings};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{Answer, body, path::ModelPath};
use crate::oip::{Oip, json};

/// A setting to change: one value, several, or `null` to clear it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a trace setting is a string, a number, an array of strings, or null")]
enum Change {
    Many(Vec<String>),
    One(String),
    Number(i64),
    Clear(()),
}

/// Settings as Triton shows them: the levels as an array, the rest as one string each.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Many(Vec<String>),
    One(String),
}

/// The settings that hold for every model.
pub(super) async fn of_server(State(oip): State<Oip>) -> Answer {
    answer(oip.service.trace_settings(None)?)
}

/// Changes the settings that hold for every model.
pub(super) async fn update_server(State(oip): State<Oip>, headers: HeaderMap, body: Body) -> Answer {
    let changes = changes(&body::read(&headers, body, oip.limits.max_settings_bytes()).await?)?;
    answer(oip.service.update_trace_settings(None, &changes)?)
}

/// One model's settings.
pub(super) async fn of_model(State(oip): State<Oip>, path: ModelPath) -> Answer {
    answer(oip.service.trace_settings(Some(&path.name))?)
}

/// Changes one model's settings.
pub(super) async fn update_model(
    State(oip): State<Oip>,
    path: ModelPath,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let changes = changes(&body::read(&headers, body, oip.limits.max_settings_bytes()).await?)?;
    answer(oip.service.update_trace_settings(Some(&path.name), &changes)?)
}

fn changes(body: &[u8]) -> Result<TraceChanges> {
    let asked: BTreeMap<String, Change> = json::body(body)?;
    let read = |change| match change {
        Change::Many(values) => Some(values),
        Change::One(value) => Some(vec![value]),
        Change::Number(value) => Some(vec![value.to_string()]),
        Change::Clear(()) => None,
    };
    Ok(asked.into_iter().map(|(key, change)| (key, read(change))).collect())
}

fn answer(settings: TraceSettings) -> Answer {
    let shown: BTreeMap<String, Shown> =
        settings.into_iter().map(|(key, values)| (key.clone(), show(&key, values))).collect();
    super::json(&shown)
}

fn show(key: &str, mut values: Vec<String>) -> Shown {
    match (key, values.len()) {
        ("trace_level", _) | (_, 2..) => Shown::Many(values),
        _ => Shown::One(values.pop().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_change_by_value_list_or_null() {
        let body =
            br#"{"trace_level":["TIMESTAMPS"],"trace_rate":"5","trace_count":-1,"log_frequency":null}"#;
        let expected = [
            ("log_frequency", None),
            ("trace_count", Some(vec!["-1".to_owned()])),
            ("trace_level", Some(vec!["TIMESTAMPS".to_owned()])),
            ("trace_rate", Some(vec!["5".to_owned()])),
        ];
        let expected = expected.into_iter().map(|(key, values)| (key.to_owned(), values));
        assert_eq!(changes(body).unwrap(), expected.collect());
        let error = changes(br#"{"trace_rate":{}}"#).unwrap_err();
        assert!(error.message().contains("a trace setting is a string"), "{error}");
    }

    #[test]
    fn levels_are_shown_as_an_array_and_the_rest_as_strings() {
        let show = |key, value: &str| serde_json::to_string(&show(key, vec![value.to_owned()])).unwrap();
        assert_eq!(show("trace_level", "OFF"), r#"["OFF"]"#);
        assert_eq!(show("trace_rate", "1000"), r#""1000""#);
    }
}
