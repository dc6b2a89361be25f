//! A request's identifier, its span, and its line in the access log (at debug).
//!
//! A client's own `x-request-id` is kept where it is short and printable; the answer carries it either way.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::{Instrument, Span};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest identifier taken from a client.
const MAX_ID: usize = 128;

/// What is sent back with the answer to a request with these headers.
pub(crate) fn identity(headers: &HeaderMap) -> HeaderValue {
    let mut id = identifier(headers.get(HEADER));
    // Never the same again, so not worth a place in HPACK's table, which would fill up with such values and be
    // searched through for every answer.
    id.set_sensitive(true);
    id
}

/// Gives an answer its request's identifier.
pub(crate) fn identify(response: &mut Response, id: HeaderValue) {
    response.headers_mut().insert(HEADER, id);
}

/// The span of a request, where anybody listens.
pub(crate) fn span(id: &HeaderValue, request: &Request<impl Sized>) -> Span {
    let id = id.to_str().unwrap_or_default();
    tracing::debug_span!("request", id, method = %request.method(), path = request.uri().path())
}

/// Waits for an answer within its request's span, and logs how it went.
pub(crate) async fn logged(span: Span, answer: impl Future<Output = Response>) -> Response {
    let start = Instant::now();
    let response = answer.instrument(span.clone()).await;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), micros, "answered"));
    response
}

fn identifier(came: Option<&HeaderValue>) -> HeaderValue {
    let usable = |id: &&HeaderValue| id.len() <= MAX_ID && !id.is_empty() && id.to_str().is_ok();
    came.filter(usable).cloned().unwrap_or_else(generated)
}

/// A number that differs from all others of this process, behind one that differs between processes.
fn generated() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{:016x}-{count:x}", *PROCESS))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_identifier_is_kept_unless_it_is_odd() {
        let mine = HeaderValue::from_static("abc");
        assert_eq!(identifier(Some(&mine)), mine);
        let odd = [HeaderValue::from_static(""), HeaderValue::try_from("x".repeat(129)).unwrap()];
        for odd in &odd {
            assert_ne!(identifier(Some(odd)), *odd);
        }
        assert_ne!(identifier(None), identifier(None));
    }
}
