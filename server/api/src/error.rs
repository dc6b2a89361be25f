//! The only place that turns an [`ErrorCode`] into an HTTP or gRPC status.
//!
//! Invariant: both mappings are exhaustive, and every error body is `{"error": "<message>"}`.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use girandole_core::{Error, ErrorCode};
use http::{HeaderValue, StatusCode, header};
use tonic::{Code, Status, metadata::MetadataMap};

/// When to try again where the error does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The gRPC trailer that tells a client's retry policy how many milliseconds to wait.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The HTTP status of an error.
pub const fn http_status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::AlreadyExists => StatusCode::CONFLICT,
        ErrorCode::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
        ErrorCode::Unavailable | ErrorCode::OutOfMemory => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Cancelled => client_gone(),
        ErrorCode::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The gRPC status of an error.
pub const fn grpc_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::InvalidArgument => Code::InvalidArgument,
        ErrorCode::Unauthenticated => Code::Unauthenticated,
        ErrorCode::PermissionDenied => Code::PermissionDenied,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::AlreadyExists => Code::AlreadyExists,
        ErrorCode::FailedPrecondition => Code::FailedPrecondition,
        ErrorCode::Unavailable => Code::Unavailable,
        ErrorCode::TooLarge | ErrorCode::Overloaded | ErrorCode::OutOfMemory => Code::ResourceExhausted,
        ErrorCode::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorCode::Cancelled => Code::Cancelled,
        ErrorCode::Unimplemented => Code::Unimplemented,
        ErrorCode::Internal => Code::Internal,
    }
}

/// 499, nginx's "client closed request": nobody is left to read it, but the access log is.
const fn client_gone() -> StatusCode {
    match StatusCode::from_u16(499) {
        Ok(status) => status,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// When a caller may try again, for the codes where trying again can help.
fn retry_after(error: &Error) -> Option<Duration> {
    let helps =
        matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Overloaded | ErrorCode::OutOfMemory);
    helps.then(|| error.retry_hint().unwrap_or(RETRY_AFTER))
}

/// An error on its way to a REST client.
#[derive(Debug)]
pub(crate) struct RestError(pub(crate) Error);

impl From<Error> for RestError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let mut response = body_of(http_status(self.0.code()), self.0.message());
        if self.0.code() == ErrorCode::Unauthenticated {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Some(after) = retry_after(&self.0) {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}

/// A JSON error response.
pub(crate) fn body_of(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "error": message }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An error on its way to a gRPC client.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn status(error: Error) -> Status {
    let mut metadata = MetadataMap::new();
    if let Some(after) = retry_after(&error)
        && let Ok(value) = after.as_millis().to_string().parse()
    {
        metadata.insert(PUSHBACK, value);
    }
    Status::with_metadata(grpc_code(error.code()), error.message(), metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_protocol_table() {
        let table = [
            (ErrorCode::InvalidArgument, 400, Code::InvalidArgument),
            (ErrorCode::Unauthenticated, 401, Code::Unauthenticated),
            (ErrorCode::PermissionDenied, 403, Code::PermissionDenied),
            (ErrorCode::NotFound, 404, Code::NotFound),
            (ErrorCode::AlreadyExists, 409, Code::AlreadyExists),
            (ErrorCode::FailedPrecondition, 412, Code::FailedPrecondition),
            (ErrorCode::Unavailable, 503, Code::Unavailable),
            (ErrorCode::TooLarge, 413, Code::ResourceExhausted),
            (ErrorCode::Overloaded, 429, Code::ResourceExhausted),
            (ErrorCode::DeadlineExceeded, 504, Code::DeadlineExceeded),
            (ErrorCode::Cancelled, 499, Code::Cancelled),
            (ErrorCode::OutOfMemory, 503, Code::ResourceExhausted),
            (ErrorCode::Unimplemented, 501, Code::Unimplemented),
            (ErrorCode::Internal, 500, Code::Internal),
        ];
        for (code, http, grpc) in table {
            assert_eq!(http_status(code).as_u16(), http, "{code:?}");
            assert_eq!(grpc_code(code), grpc, "{code:?}");
        }
    }

    #[test]
    fn only_what_can_be_tried_again_says_when() {
        let full = Error::new(ErrorCode::Overloaded, "full").retry_after(Duration::from_millis(1500));
        assert_eq!(status(full.clone()).metadata().get(PUSHBACK).unwrap(), "1500");
        assert_eq!(RestError(full).into_response().headers()[header::RETRY_AFTER], "2");
        let wrong = RestError(Error::invalid("no")).into_response();
        assert!(!wrong.headers().contains_key(header::RETRY_AFTER));
    }
}
