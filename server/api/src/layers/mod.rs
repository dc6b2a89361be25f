//! What every request passes before its handler: identity and log, encodings, bounds.

pub(crate) mod authorize;
pub(crate) mod concurrency;
pub(crate) mod intake;
pub(crate) mod request;

use axum::{
    Router, middleware,
    response::{IntoResponse, Response},
};
use girandole_core::Error;
use tower_http::{CompressionLevel, compression::CompressionLayer, decompression::RequestDecompressionLayer};

use self::intake::Intake;
use crate::error::{RestError, status};

/// How a refusal is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// As JSON with an HTTP status.
    Rest,
    /// As gRPC trailers.
    Grpc,
}

impl Style {
    /// The whole answer to a request that is not let in.
    pub(crate) fn refuse(self, error: Error) -> Response {
        match self {
            Self::Rest => RestError(error).into_response(),
            Self::Grpc => status(error).into_http(),
        }
    }
}

/// A REST router with everything around it, from the inside out.
pub(crate) fn rest(router: Router, intake: Intake) -> Router {
    router
        .layer(middleware::from_fn_with_state(intake, intake::bound))
        // The handler caps the body after this, so a small body cannot unpack into a large one.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(middleware::from_fn(intake::count))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(request::identify))
}

/// A gRPC router with everything around it; tonic does its own encodings.
pub(crate) fn grpc(router: Router) -> Router {
    router.layer(middleware::from_fn(request::identify))
}
