//! Administration: a listener of its own, plain JSON, and whoever asks is known by a name for the audit log.
//!
//! Handlers hold no logic: decode, call the [`Service`], encode. Whoever gets to one was let in by [`Access`].

mod audit;
mod rollout;
mod traffic;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post, put},
};
use girandole_runtime::service::Service;
use http::{StatusCode, Uri};
use tokio::net::TcpListener;

use crate::{
    audit_trail::AuditTrail,
    error::body_of,
    layers::concurrency,
    oip::rest,
    security::{self, Access},
};

/// Most bytes of a body.
const MAX_BODY: usize = 64 << 10;
/// Most requests in work at once.
const MAX_REQUESTS: usize = 64;

/// Where administration is served, to whom, and what they may read.
pub struct AdminListener {
    /// The bound listener.
    pub socket: TcpListener,
    /// Who may come in.
    pub access: Access,
    /// The audit log; `None` where none is kept.
    pub trail: Option<Arc<dyn AuditTrail>>,
}

/// What every handler works with; clones share it.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) service: Service,
    pub(crate) trail: Option<Arc<dyn AuditTrail>>,
}

/// The routes of the listener for administration.
pub(crate) fn router(admin: Admin, access: Access) -> Router {
    let bound = concurrency::Bound::new(MAX_REQUESTS);
    Router::new()
        .route("/admin/v1/models/{model}/traffic", get(traffic::show))
        .route("/admin/v1/models/{model}/traffic/weights", put(traffic::set_weights))
        .route("/admin/v1/models/{model}/rollout/{command}", post(rollout::control))
        .route("/admin/v1/audit", get(audit::entries))
        .fallback(unknown)
        .method_not_allowed_fallback(rest::wrong_verb)
        .layer(middleware::from_fn_with_state(access, security::admit))
        .layer(middleware::from_fn_with_state(bound, concurrency::admit))
        .with_state(admin)
}

async fn unknown(uri: Uri) -> axum::response::Response {
    let path: String = uri.path().chars().take(128).collect();
    body_of(StatusCode::NOT_FOUND, &format!("nothing is served at '{path}', administration is at /admin/v1"))
}
