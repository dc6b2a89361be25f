//! Calls that stay open for as long as the client likes (reflection) end with the server, as if the client
//! had ended them: what was asked is answered, and nothing holds up the drain.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use http_body::Frame;
use tokio::time::Instant;

use crate::stop::Stop;

/// Ends the request's body once the end is announced and the client has nothing to say.
pub(super) async fn until_stop(State(mut stop): State<Stop>, request: Request, next: Next) -> Response {
    let stopped = Box::pin(async move { stop.announced().await });
    next.run(request.map(|body| Body::new(UntilStop { body, stopped: Some(stopped) }))).await
}

struct UntilStop {
    body: Body,
    /// `None` once the body has been ended.
    stopped: Option<Pin<Box<dyn Future<Output = Instant> + Send>>>,
}

impl http_body::Body for UntilStop {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(stopped) = &mut this.stopped else { return Poll::Ready(None) };
        let said = Pin::new(&mut this.body).poll_frame(context);
        if said.is_pending() && stopped.as_mut().poll(context).is_ready() {
            this.stopped = None;
            return Poll::Ready(None);
        }
        said
    }

    fn is_end_stream(&self) -> bool {
        self.stopped.is_none() || self.body.is_end_stream()
    }
}
