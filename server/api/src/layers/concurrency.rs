//! Refuses requests above a bound before anything of them is read, so that memory stays bounded too.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use girandole_core::{Error, ErrorCode};
use tokio::sync::Semaphore;

use super::Style;

/// The requests that may be in work at once.
#[derive(Clone)]
pub(crate) struct Bound {
    permits: Arc<Semaphore>,
    style: Style,
}

impl Bound {
    /// At most `max` requests.
    pub(crate) fn new(max: usize, style: Style) -> Self {
        Self { permits: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))), style }
    }
}

/// Lets the request in, or refuses it at once.
pub(crate) async fn admit(State(bound): State<Bound>, request: Request, next: Next) -> Response {
    let Ok(_permit) = bound.permits.try_acquire() else {
        let error = Error::new(ErrorCode::Overloaded, "the server has too many requests in work, try again");
        return bound.style.refuse(error);
    };
    next.run(request).await
}
