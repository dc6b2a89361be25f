//! A request's body while it comes: how long it may take, how far it may unpack, and the memory set aside for it.
//!
//! [`count`] stands outside of decompression and sees what came over the wire, [`bound`] inside and sees what a
//! handler reads. What a body takes of the server's budget it gives back once it is read; from then on the request
//! that was made of it counts.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use girandole_core::{Error, ErrorCode, Result};
use girandole_runtime::service::{BytesHeld, Service};
use http::header;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};

use super::Style;
use crate::{error::status, limits::Limits};

/// Bytes that a body may unpack to however few it was.
pub(crate) const FREE: usize = 1 << 20;

/// What bodies are held to.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) service: Service,
    pub(crate) limits: Limits,
    pub(crate) style: Style,
}

/// Bytes of a compressed body that came over the wire so far.
#[derive(Clone, Default)]
struct Wire(Arc<AtomicUsize>);

/// Counts a compressed body's bytes.
pub(crate) async fn count(mut request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let wire = Wire::default();
        request.extensions_mut().insert(wire.clone());
        let counted = move |frame: Frame<Bytes>| {
            wire.0.fetch_add(frame.data_ref().map_or(0, Bytes::len), Relaxed);
            frame
        };
        request = request.map(|body| Body::new(body.map_frame(counted)));
    }
    next.run(request).await
}

/// Holds a request's body to its bounds.
pub(crate) async fn bound(State(intake): State<Intake>, request: Request, next: Next) -> Response {
    next.run(intake.bounded(request)).await
}

impl Intake {
    /// A request whose body is held to its bounds.
    pub(crate) fn bounded<B>(&self, mut request: Request<B>) -> Request
    where
        B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if request.body().is_end_stream() {
            return request.map(|_| Body::empty());
        }
        let wire = request.extensions_mut().remove();
        request.map(|body| Body::new(Arriving::new(body, self, wire)))
    }
}

/// A body that is still coming.
struct Arriving<B> {
    body: B,
    came: usize,
    held: BytesHeld,
    /// What came over the wire, of a body that is unpacked, and how often as much it may become.
    packed: Option<(Wire, usize)>,
    timeout: Duration,
    /// From the first time that a part is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    style: Style,
}

impl<B> Arriving<B> {
    fn new(body: B, intake: &Intake, wire: Option<Wire>) -> Self {
        let Limits { body_timeout: timeout, max_expansion, .. } = intake.limits;
        let packed = wire.map(|wire| (wire, max_expansion));
        let held = intake.service.hold_bytes();
        Self { body, came: 0, held, packed, timeout, timer: None, style: intake.style }
    }

    /// Counts a part of the body.
    fn count(&mut self, bytes: usize) -> Result<()> {
        self.came = self.came.saturating_add(bytes);
        if let Some((wire, most)) = &self.packed
            && self.came > wire.0.load(Relaxed).saturating_mul(*most).max(FREE)
        {
            let message =
                format!("the body unpacks to more than {most} times its size, send it uncompressed");
            return Err(Error::new(ErrorCode::TooLarge, message));
        }
        self.held.add(bytes)
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.timeout)));
        ready!(timer.as_mut().poll(context));
        let message = format!("the body did not come within {} seconds", self.timeout.as_secs());
        Poll::Ready(Error::new(ErrorCode::DeadlineExceeded, message))
    }

    fn refused(&self, error: Error) -> axum::Error {
        match self.style {
            Style::Rest => axum::Error::new(error),
            Style::Grpc => axum::Error::new(status(error)),
        }
    }
}

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let counted = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Pending => Err(ready!(this.poll_timer(context))),
            Poll::Ready(Some(Ok(frame))) => {
                this.count(frame.data_ref().map_or(0, Bytes::len)).map(|()| frame)
            }
            Poll::Ready(ended) => return Poll::Ready(ended.map(|broken| broken.map_err(axum::Error::new))),
        };
        Poll::Ready(Some(counted.map_err(|error| this.refused(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
