//! The audit log's entries, as they are in the file.

use axum::extract::{Query, State, rejection::QueryRejection};
use girandole_core::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Admin;
use crate::{
    audit_trail::AuditQuery,
    oip::rest::{self, Answer},
};

/// Most entries of an answer.
const MAX_ENTRIES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    model: Option<String>,
    since: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Entries {
    entries: Vec<Box<RawValue>>,
}

/// The newest entries, oldest first.
pub(super) async fn entries(
    State(admin): State<Admin>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Answer {
    let Query(asked) = asked.map_err(|error| Error::invalid(error.body_text()))?;
    let query = query(asked)?;
    let trail = admin.trail.ok_or_else(|| {
        Error::new(ErrorCode::Unimplemented, "no audit log is kept: start with --audit-log or --state-dir")
    })?;
    let lines = tokio::task::spawn_blocking(move || trail.entries(&query)).await;
    let lines = lines.unwrap_or_else(|_| Err(Error::internal("the audit log could not be read")))?;
    let entries = lines.into_iter().filter_map(|line| RawValue::from_string(line).ok()).collect();
    rest::json(&Entries { entries })
}

fn query(asked: Asked) -> Result<AuditQuery> {
    let moment = |text: String| {
        let since = humantime::parse_rfc3339_weak(&text);
        since.map_err(|_| Error::invalid("'since' must be a moment such as 2026-01-02T03:04:05Z"))
    };
    Ok(AuditQuery {
        model: asked.model,
        since: asked.since.map(moment).transpose()?,
        limit: asked.limit.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES),
    })
}
