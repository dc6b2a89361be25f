//! The model repository: its index, loading and unloading.

use axum::{Extension, body::Body, extract::State};
use girandole_access::Caller;
use girandole_core::{Error, Parameter, Result};
use girandole_runtime::service::{IndexEntry, LoadOverride};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{Answer, body, path::ModelPath};
use crate::{
    oip::{Oip, json, refuse_repository, settings},
    security::visible,
};

#[derive(Default, Deserialize)]
struct IndexBody {
    #[serde(default)]
    ready: bool,
}

#[derive(Default, Deserialize)]
struct LoadBody {
    #[serde(default)]
    parameters: json::JsonParameters,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    reason: String,
}

impl From<IndexEntry> for Entry {
    fn from(of: IndexEntry) -> Self {
        Self {
            name: of.name,
            version: of.version.map(|version| version.to_string()),
            state: of.state.map(|state| state.to_string()),
            reason: of.reason,
        }
    }
}

/// Every model of the repository and where its versions stand.
pub(super) async fn index(
    State(oip): State<Oip>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body = body::read(&headers, body, oip.limits.max_settings_bytes()).await?;
    let asked: IndexBody = json::body(&body)?;
    let entries = oip.service.repository_index(asked.ready);
    let entries = visible(entries, caller.as_deref(), |entry| &entry.name);
    super::json(&entries.into_iter().map(Entry::from).collect::<Vec<_>>())
}

/// Loads or reloads a model.
pub(super) async fn load(State(oip): State<Oip>, path: ModelPath, headers: HeaderMap, body: Body) -> Answer {
    let body = body::read(&headers, body, oip.limits.max_settings_bytes()).await?;
    let overrides = overrides(&body)?;
    oip.service.load_model(&path.name, overrides).await?;
    super::json(&serde_json::json!({}))
}

/// Unloads every version of a model.
pub(super) async fn unload(
    State(oip): State<Oip>,
    path: ModelPath,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body = body::read(&headers, body, oip.limits.max_settings_bytes()).await?;
    let asked: LoadBody = json::body(&body)?;
    let dependents = asked.parameters.0.get("unload_dependents");
    settings::unload_dependents(dependents.is_some_and(|value| *value == Parameter::Bool(true)))?;
    oip.service.unload_model(&path.name).await?;
    super::json(&serde_json::json!({}))
}

/// A route that names a repository.
pub(super) async fn named() -> Answer {
    refuse_repository("named")?;
    super::json(&serde_json::json!({}))
}

fn overrides(body: &[u8]) -> Result<LoadOverride> {
    let asked: LoadBody = json::body(body)?;
    settings::load_override(asked.parameters.0.into_iter().map(|(key, value)| {
        let text = match value {
            Parameter::String(text) => Ok(text),
            _ => Err(Error::invalid(format!("the parameter '{key}' must be a string"))),
        };
        (key, text)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_configuration_can_be_overridden() {
        let config = overrides(br#"{"parameters":{"config":"{}"}}"#).unwrap().config;
        assert_eq!(config.as_deref(), Some("{}"));
        assert_eq!(overrides(b"").unwrap(), LoadOverride::default());
        for (body, expected) in [
            (r#"{"parameters":{"file:1/model.onnx":"AAAA"}}"#, "files cannot be replaced"),
            (r#"{"parameters":{"config":1}}"#, "'config' must be a string"),
            (r#"{"parameters":{"other":"x"}}"#, "unknown load parameter 'other'"),
        ] {
            let error = overrides(body.as_bytes()).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
