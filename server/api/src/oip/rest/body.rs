//! A request's body, read whole within its limit.

use std::iter::successors;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use girandole_core::{Error, ErrorCode, Result};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

/// Reads a body. One that comes in a single piece is not copied.
///
/// # Errors
/// `TooLarge` above `limit` bytes, `InvalidArgument` for an unknown encoding or a body that breaks off.
pub(crate) async fn read(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes()).chars().take(32).collect::<String>();
        return Err(Error::invalid(format!("Content-Encoding must be gzip or deflate, got '{encoding}'")));
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    let Some(first) = chunk(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = chunk(&mut body).await? else { return within(first, limit) };
    let mut whole = BytesMut::with_capacity(announced.max(first.len().saturating_add(second.len())));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        whole.extend_from_slice(&chunk);
        if whole.len() > limit {
            return Err(too_large(limit));
        }
        next = self::chunk(&mut body).await?;
    }
    within(whole.freeze(), limit)
}

async fn chunk(body: &mut Body) -> Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// What [`intake`](crate::layers::intake) says of a body, or that there is no more of it.
fn broken(error: &axum::Error) -> Error {
    let mut causes = successors(Some(error as &dyn std::error::Error), |error| error.source());
    let refused = causes.find_map(|cause| cause.downcast_ref::<Error>());
    refused.cloned().unwrap_or_else(|| {
        tracing::debug!(%error, "a request body broke off");
        Error::invalid("the body broke off, or is not what its Content-Encoding says")
    })
}

fn within(body: Bytes, limit: usize) -> Result<Bytes> {
    if body.len() > limit { Err(too_large(limit)) } else { Ok(body) }
}

fn too_large(limit: usize) -> Error {
    Error::new(ErrorCode::TooLarge, format!("the body is larger than the limit of {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn chunks(chunks: &[&'static str]) -> Body {
        let chunks: Vec<_> =
            chunks.iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(*chunk))).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn chunks_are_joined_up_to_the_limit() {
        let headers = HeaderMap::new();
        assert_eq!(read(&headers, chunks(&["ab", "", "c", "d"]), 4).await.unwrap(), "abcd");
        for body in [chunks(&["ab", "cd", "e"]), chunks(&["abcde"]), Body::from("abcde")] {
            assert_eq!(read(&headers, body, 4).await.unwrap_err().code(), ErrorCode::TooLarge);
        }
        assert!(read(&headers, Body::empty(), 0).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_unknown_encoding_is_refused() {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_ENCODING, http::HeaderValue::from_static("br"))]);
        let error = read(&headers, Body::from("x"), 4).await.unwrap_err();
        assert_eq!(error.message(), "Content-Encoding must be gzip or deflate, got 'br'");
    }
}
