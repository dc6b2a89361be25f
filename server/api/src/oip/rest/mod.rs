//! The protocol over REST: the table of routes, and what every handler needs to read a request.

pub(crate) mod body;
mod config;
mod health;
mod infer;
mod logging;
mod metadata;
mod openapi;
pub(crate) mod path;
mod repository;
mod statistics;
mod trace;
pub(crate) mod traffic;

use axum::{
    Router,
    body::Body,
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;

use super::Oip;
use crate::{
    error::{RestError, body_of},
    layers::{concurrency, concurrency::Style},
};

/// What a handler answers.
pub(crate) type Answer = Result<Response, RestError>;

/// Every route and what serves it, in the order of the OpenAPI document.
fn table(oip: &Oip) -> Vec<(&'static str, MethodRouter<Oip>)> {
    let bound = concurrency::Bound::new(oip.limits.max_concurrent_requests, Style::Rest);
    let infer = post(infer::infer).layer(middleware::from_fn_with_state(bound, concurrency::admit));
    vec![
        ("/livez", get(health::live)),
        ("/readyz", get(health::ready)),
        ("/v2/health/live", get(health::live)),
        ("/v2/health/ready", get(health::ready)),
        ("/v2", get(metadata::server)),
        ("/v2/", get(metadata::server)),
        ("/v2/models/stats", get(statistics::all)),
        ("/v2/models/{model}", get(metadata::model)),
        ("/v2/models/{model}/versions/{version}", get(metadata::model)),
        ("/v2/models/{model}/ready", get(health::model)),
        ("/v2/models/{model}/versions/{version}/ready", get(health::model)),
        ("/v2/models/{model}/infer", infer.clone()),
        ("/v2/models/{model}/versions/{version}/infer", infer),
        ("/v2/models/{model}/config", get(config::model)),
        ("/v2/models/{model}/versions/{version}/config", get(config::model)),
        ("/v2/models/{model}/stats", get(statistics::model)),
        ("/v2/models/{model}/versions/{version}/stats", get(statistics::model)),
        ("/v2/models/{model}/traffic", get(traffic::model)),
        ("/v2/models/{model}/trace/setting", get(trace::of_model).post(trace::update_model)),
        ("/v2/trace/setting", get(trace::of_server).post(trace::update_server)),
        ("/v2/logging", get(logging::get).post(logging::update)),
        ("/v2/repository/index", post(repository::index)),
        ("/v2/repository/models/{model}/load", post(repository::load)),
        ("/v2/repository/models/{model}/unload", post(repository::unload)),
        ("/v2/repository/{repository}/index", post(repository::named)),
        ("/v2/repository/{repository}/models/{model}/load", post(repository::named)),
        ("/v2/repository/{repository}/models/{model}/unload", post(repository::named)),
        ("/openapi.json", get(openapi::document)),
    ]
}

/// The protocol's routes.
pub(crate) fn router(oip: Oip) -> Router {
    let mut router = Router::new();
    for (path, methods) in table(&oip) {
        router = router.route(path, methods);
    }
    router.fallback(unknown).method_not_allowed_fallback(wrong_verb).with_state(oip)
}

async fn unknown(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(128).collect();
    body_of(StatusCode::NOT_FOUND, &format!("nothing is served at '{path}', see /openapi.json"))
}

/// What is there is served by other methods.
pub(crate) async fn wrong_verb(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(128).collect();
    let message = format!("{method} is not served at '{path}', the header Allow says what is");
    body_of(StatusCode::METHOD_NOT_ALLOWED, &message)
}

/// A JSON answer.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| {
        RestError(girandole_core::Error::internal(format!("the answer could not be written: {error}")))
    })?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((headers, Body::from(body)).into_response())
}
