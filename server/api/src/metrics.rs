//! `/metrics`: everything measured, as Prometheus' text.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use girandole_access::Action;
use http::{HeaderValue, StatusCode, Uri, header};

use crate::{
    error::body_of,
    layers::{
        Style,
        authorize::{Door, authorize},
    },
    security::Guard,
};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Gives everything measured as text.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// The routes of the metrics listener.
pub(crate) fn router(render: Render, guard: Guard) -> Router {
    let render = move || std::future::ready(answer(render()));
    let open = guard.is_open();
    let door = Door { guard, action: Action::Observe, style: Style::Rest };
    let metrics = get(render);
    let metrics = if open { metrics } else { metrics.layer(middleware::from_fn_with_state(door, authorize)) };
    Router::new().route("/metrics", metrics).fallback(unknown)
}

fn answer(text: String) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from(text)).into_response()
}

async fn unknown(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(128).collect();
    body_of(StatusCode::NOT_FOUND, &format!("nothing is served at '{path}', metrics are at /metrics"))
}
