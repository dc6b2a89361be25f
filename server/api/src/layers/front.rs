//! Where requests come in, whatever listener they come from: each gets an identifier and its line in the log, and
//! goes to the router.
//!
//! A layer around a router costs every request several allocations and copies of all that lies within it. So what
//! every request needs is done here, and only requests that speak of encodings pass the layers that know them.

use std::{convert::Infallible, future::Future};

use axum::{Router, body::Body, extract::Request, middleware, response::Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as HttpBody;
use tower::Service;
use tower_http::{CompressionLevel, compression::CompressionLayer, decompression::RequestDecompressionLayer};

use super::{
    intake::{self, Intake},
    request,
};

/// A router as a listener sees it.
#[derive(Clone)]
pub(crate) struct Front {
    router: Router,
    rest: Option<Rest>,
}

/// What stands before a REST router.
#[derive(Clone)]
struct Rest {
    intake: Intake,
    /// The router behind what packs and unpacks bodies.
    packing: Router,
}

impl Front {
    /// Before a REST router.
    pub(crate) fn rest(router: Router, intake: Intake) -> Self {
        let packing = router
            .clone()
            .layer(middleware::from_fn_with_state(intake.clone(), intake::bound))
            // The handler caps the body after this, so a small body cannot unpack into a large one.
            .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
            .layer(middleware::from_fn(intake::count))
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));
        Self { router, rest: Some(Rest { intake, packing }) }
    }

    /// Before a router that does its own encodings and bounds.
    pub(crate) fn bare(router: Router) -> Self {
        Self { router, rest: None }
    }

    /// The answer to a request.
    pub(crate) fn answer<B>(&self, request: Request<B>) -> impl Future<Output = Response> + use<B>
    where
        B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let id = request::identity(request.headers());
        let span = tracing::enabled!(tracing::Level::DEBUG).then(|| request::span(&id, &request));
        let answer = match &self.rest {
            None => self.router.clone().call(request.map(Body::new)),
            Some(rest) if speaks_of_encodings(request.headers()) => {
                rest.packing.clone().call(request.map(Body::new))
            }
            Some(rest) => self.router.clone().call(rest.intake.bounded(request)),
        };
        async move {
            let answer = async { answer.await.unwrap_or_else(|never: Infallible| match never {}) };
            let mut response = match span {
                None => answer.await,
                Some(span) => request::logged(span, answer).await,
            };
            request::identify(&mut response, id);
            response
        }
    }
}

/// Whether a body is packed, or an answer may be.
fn speaks_of_encodings(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING) || headers.contains_key(header::ACCEPT_ENCODING)
}
