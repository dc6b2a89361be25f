//! Refuses requests above a bound before anything of them is read, so that memory stays bounded too.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use girandole_core::{Error, ErrorCode, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Style;

/// The requests that may be in work at once; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Bound(Arc<Semaphore>);

impl Bound {
    /// At most `max` requests.
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }

    /// A request's place, until it is dropped.
    ///
    /// # Errors
    /// `Overloaded` where there is none.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let full =
            |_| Error::new(ErrorCode::Overloaded, "the server has too many requests in work, try again");
        self.0.clone().try_acquire_owned().map_err(full)
    }
}

/// Lets a request over REST in, or refuses it at once.
pub(crate) async fn admit(State(bound): State<Bound>, request: Request, next: Next) -> Response {
    match bound.enter() {
        Ok(_place) => next.run(request).await,
        Err(full) => Style::Rest.refuse(full),
    }
}
