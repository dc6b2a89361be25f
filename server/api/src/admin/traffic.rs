//! A model's traffic: what applies and how its arms do, and new weights for them.

use std::{collections::BTreeMap, time::Duration};

use axum::{Extension, body::Body, extract::State};
use girandole_core::{Error, Result, audit::Actor};
use girandole_runtime::{
    service::{ArmStatus, SetWeights, TrafficStatus},
    traffic::{Expected, Origin},
};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};

use super::{Admin, MAX_BODY};
use crate::oip::{
    json,
    rest::{self, Answer, body, path::ModelPath, traffic},
};

/// The entity tag of no file.
const NONE: &str = "none";

#[derive(Serialize)]
struct Status<'a> {
    model: &'a str,
    /// Where the newest file is.
    origin: Option<&'static str>,
    /// SHA-256 of the newest file.
    digest: Option<&'a str>,
    /// SHA-256 of the file that applies.
    applied: Option<&'a str>,
    arms: Vec<Arm<'a>>,
    #[serde(flatten)]
    traffic: traffic::Traffic<'a>,
}

#[derive(Serialize)]
struct Arm<'a> {
    name: &'a str,
    weight: f64,
    share: f64,
    version: Option<u64>,
    requests: u64,
    errors: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weights {
    weights: BTreeMap<String, f64>,
}

/// The traffic that applies.
pub(super) async fn show(State(admin): State<Admin>, path: ModelPath) -> Answer {
    answer(&path.name, admin.service.traffic_status(&path.name).await?)
}

/// Sets the split's weights; answers with the traffic that applies then.
pub(super) async fn set_weights(
    State(admin): State<Admin>,
    Extension(who): Extension<Actor>,
    path: ModelPath,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let expected = expected(&headers)?;
    let Weights { weights } = json::body(&body::read(&headers, body, MAX_BODY).await?)?;
    admin.service.set_weights(&path.name, SetWeights { weights, expected, who }).await?;
    answer(&path.name, admin.service.traffic_status(&path.name).await?)
}

/// The file that a caller has read, by its entity tag (RFC 9110, section 13.1.1).
fn expected(headers: &HeaderMap) -> Result<Expected> {
    let value = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let tag =
        value.map(|value| value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value));
    match tag {
        Some("*") => Ok(Expected::Anything),
        Some(NONE) => Ok(Expected::Nothing),
        Some(digest) if digest.len() == 64 => Ok(Expected::Digest(digest.to_owned())),
        _ => Err(Error::invalid(
            "needs the header If-Match with the digest of the traffic file that was read, \"none\", or *",
        )),
    }
}

fn answer(model: &str, status: TrafficStatus) -> Answer {
    let mut response = rest::json(&Status {
        model,
        origin: status.origin.map(origin),
        digest: status.digest.as_deref(),
        applied: status.routes.digest.as_deref(),
        arms: status.arms.iter().map(arm).collect(),
        traffic: traffic::traffic(&status.routes, status.rollout, status.breakers),
    })?;
    let tag = status.digest.as_deref().unwrap_or(NONE);
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Repository => "repository",
        Origin::State => "state",
    }
}

fn arm(arm: &ArmStatus) -> Arm<'_> {
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    Arm {
        name: &arm.name,
        weight: arm.weight,
        share: arm.share,
        version: arm.version,
        requests: arm.requests,
        errors: arm.errors,
        p50_ms: arm.p50.map(ms),
        p99_ms: arm.p99.map(ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_said_by_its_tag() {
        let given = |value: &str| {
            expected(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_str(value).unwrap())]))
        };
        let digest = "a".repeat(64);
        assert_eq!(given(&format!("\"{digest}\"")).unwrap(), Expected::Digest(digest));
        assert_eq!(given("*").unwrap(), Expected::Anything);
        assert_eq!(given("\"none\"").unwrap(), Expected::Nothing);
        for wrong in ["", "\"\"", "W/\"a\"", "\"a\", \"b\""] {
            assert!(given(wrong).is_err(), "{wrong}");
        }
        assert!(expected(&HeaderMap::new()).is_err());
    }
}
