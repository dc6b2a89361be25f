//! What every request passes before its handler: identity and log, encodings, bounds.

pub(crate) mod authorize;
pub(crate) mod concurrency;
pub(crate) mod front;
pub(crate) mod intake;
mod request;

use axum::response::{IntoResponse, Response};
use girandole_core::Error;

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
