//! What every request passes before its handler: identity and log, encodings, bounds.

pub(crate) mod concurrency;
pub(crate) mod request;

use axum::{Router, middleware};
use tower_http::{CompressionLevel, compression::CompressionLayer, decompression::RequestDecompressionLayer};

/// A REST router with everything around it, from the inside out.
pub(crate) fn rest(router: Router) -> Router {
    router
        // The handler caps the body after this, so a small body cannot unpack into a large one.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(request::identify))
}

/// A gRPC router with everything around it; tonic does its own encodings.
pub(crate) fn grpc(router: Router) -> Router {
    router.layer(middleware::from_fn(request::identify))
}
