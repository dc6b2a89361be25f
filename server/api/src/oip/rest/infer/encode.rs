//! A response as JSON, or as JSON and the binary outputs after it, each the bytes that the model gave.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use girandole_core::{InferResponse, Result};
use http::{HeaderValue, header};
use http_body::{Frame, SizeHint};

use crate::oip::{binary, convert::structured::BinaryOutputs, json};

/// Encodes a response.
///
/// # Errors
/// `InvalidArgument` where an output cannot be written as JSON.
pub(crate) fn response(response: &InferResponse, binary: &BinaryOutputs) -> Result<Response> {
    let json = json::response(response, |name| binary.contains(name))?;
    let header_length = json.len();
    let outputs = response.outputs.iter().filter(|output| binary.contains(&output.name));
    let mut chunks: VecDeque<Bytes> = outputs.map(|output| output.tensor.data().clone()).collect();
    if chunks.is_empty() {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        return Ok((headers, Body::from(json)).into_response());
    }
    chunks.push_front(json.into());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (binary::HEADER, HeaderValue::from(header_length)),
    ];
    Ok((headers, Body::new(Chunks(chunks))).into_response())
}

/// A body of known length in pieces, none of which is copied.
struct Chunks(VecDeque<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|chunk| chunk.len() as u64).sum())
    }
}
