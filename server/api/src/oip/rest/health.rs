//! Live, ready and model ready: the status says it for probes, the body for people.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use girandole_core::Error;
use serde_json::json;

use super::{Answer, path::ModelPath};
use crate::{error::RestError, oip::Oip};

/// 200 while the process answers.
pub(super) async fn live(State(oip): State<Oip>) -> Answer {
    state("live", oip.service.is_live(), "the server is not live")
}

/// 200 while every model that should serve does.
pub(super) async fn ready(State(oip): State<Oip>) -> Answer {
    state("ready", oip.service.is_ready(), "the server is not ready: models load, failed or drain")
}

/// 200 while the model serves, 503 while it does not, 404 for a model nobody knows.
pub(super) async fn model(State(oip): State<Oip>, path: ModelPath) -> Answer {
    let ready = oip.service.model_ready(&path.name, &path.version)?;
    if ready {
        return super::json(&json!({ "name": path.name, "ready": true }));
    }
    Ok(unavailable(&format!("model '{}' is not ready", path.name)))
}

fn state(key: &str, yes: bool, otherwise: &str) -> Answer {
    if yes { super::json(&json!({ key: true })) } else { Ok(unavailable(otherwise)) }
}

fn unavailable(message: &str) -> Response {
    RestError(Error::unavailable(message)).into_response()
}
