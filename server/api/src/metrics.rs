//! `/metrics`: everything measured, as Prometheus' text.

use axum::{
    Router,
    body::Body,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use girandole_access::Action;
use http::{HeaderValue, StatusCode, Uri, header};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    error::body_of,
    layers::{
        Style,
        authorize::{Door, authorize},
    },
    security::Guard,
};

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The routes of the metrics listener.
pub(crate) fn router(handle: PrometheusHandle, guard: Guard) -> Router {
    let render = move || std::future::ready(render(&handle));
    let open = guard.is_open();
    let door = Door { guard, action: Action::Observe, style: Style::Rest };
    let metrics = get(render);
    let metrics = if open { metrics } else { metrics.layer(middleware::from_fn_with_state(door, authorize)) };
    Router::new().route("/metrics", metrics).fallback(unknown)
}

fn render(handle: &PrometheusHandle) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from(handle.render())).into_response()
}

async fn unknown(uri: Uri) -> Response {
    let path: String = uri.path().chars().take(128).collect();
    body_of(StatusCode::NOT_FOUND, &format!("nothing is served at '{path}', metrics are at /metrics"))
}
