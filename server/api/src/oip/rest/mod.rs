//! The protocol over REST: the table of routes, and what every handler needs to read a request.

pub(crate) mod body;
mod config;
mod health;
pub(crate) mod infer;
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
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use girandole_access::Action;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;

use super::Oip;
use crate::{
    error::{RestError, body_of},
    layers::{
        Style,
        authorize::{Door, authorize},
    },
    security::Guard,
};

/// What a handler answers.
pub(crate) type Answer = Result<Response, RestError>;

/// A path, what serves it, and what a GET and a POST there do.
type Row = (&'static str, MethodRouter<Oip>, Does);

/// What each method of a route does.
#[derive(Clone, Copy)]
struct Does {
    get: Action,
    post: Action,
}

impl Does {
    /// The same by any method.
    const fn only(action: Action) -> Self {
        Self { get: action, post: action }
    }
}

/// Every route and what serves it, in the order of the OpenAPI document.
fn table() -> Vec<Row> {
    let [probe, run, describe, observe, administer] =
        [Action::Probe, Action::Infer, Action::Describe, Action::Observe, Action::Administer].map(Does::only);
    let settings = Does { get: Action::Observe, post: Action::Administer };
    vec![
        ("/livez", get(health::live), probe),
        ("/readyz", get(health::ready), probe),
        ("/v2/health/live", get(health::live), probe),
        ("/v2/health/ready", get(health::ready), probe),
        ("/v2", get(metadata::server), describe),
        ("/v2/", get(metadata::server), describe),
        ("/v2/models/stats", get(statistics::all), observe),
        ("/v2/models/{model}", get(metadata::model), describe),
        ("/v2/models/{model}/versions/{version}", get(metadata::model), describe),
        ("/v2/models/{model}/ready", get(health::model), describe),
        ("/v2/models/{model}/versions/{version}/ready", get(health::model), describe),
        ("/v2/models/{model}/infer", post(infer::infer), run),
        ("/v2/models/{model}/versions/{version}/infer", post(infer::infer), run),
        ("/v2/models/{model}/config", get(config::model), describe),
        ("/v2/models/{model}/versions/{version}/config", get(config::model), describe),
        ("/v2/models/{model}/stats", get(statistics::model), observe),
        ("/v2/models/{model}/versions/{version}/stats", get(statistics::model), observe),
        ("/v2/models/{model}/traffic", get(traffic::model), observe),
        ("/v2/models/{model}/trace/setting", get(trace::of_model).post(trace::update_model), settings),
        ("/v2/trace/setting", get(trace::of_server).post(trace::update_server), settings),
        ("/v2/logging", get(logging::get).post(logging::update), settings),
        ("/v2/repository/index", post(repository::index), observe),
        ("/v2/repository/models/{model}/load", post(repository::load), administer),
        ("/v2/repository/models/{model}/unload", post(repository::unload), administer),
        ("/v2/repository/{repository}/index", post(repository::named), observe),
        ("/v2/repository/{repository}/models/{model}/load", post(repository::named), administer),
        ("/v2/repository/{repository}/models/{model}/unload", post(repository::named), administer),
        ("/openapi.json", get(openapi::document), describe),
    ]
}

/// The protocol's routes, each behind what the policy says of it.
pub(crate) fn router(oip: Oip) -> Router {
    let mut router = Router::new();
    for (path, methods, does) in table() {
        router = router.route(path, guarded(methods, does, &oip.guard));
    }
    router.fallback(unknown).method_not_allowed_fallback(wrong_verb).with_state(oip)
}

fn guarded(methods: MethodRouter<Oip>, does: Does, guard: &Guard) -> MethodRouter<Oip> {
    if guard.is_open() {
        return methods;
    }
    let door = |action| Door { guard: guard.clone(), action, style: Style::Rest };
    let (get, post) = (door(does.get), door(does.post));
    methods.layer(middleware::from_fn(move |request: Request, next: Next| {
        // HEAD is GET without its body; no route has other methods.
        let safe = matches!(*request.method(), Method::GET | Method::HEAD);
        authorize(State(if safe { get.clone() } else { post.clone() }), request, next)
    }))
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
