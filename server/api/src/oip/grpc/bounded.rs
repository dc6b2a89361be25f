//! What a call passes before the inference service reads anything of it: a place among the requests in work, the bounds of
//! its body, and its unpacking.
//!
//! Not a middleware of the router's, which would cost every call copies of all that lies within it.

use std::{
    convert::Infallible,
    future::ready,
    task::{Context, Poll},
};

use axum::{
    BoxError,
    body::{Body, HttpBody},
    extract::Request,
    response::Response,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use tower::Service;

use super::unpack::unpacked;
use crate::layers::{Style, concurrency::Bound, intake::Intake};

/// A service within bounds.
#[derive(Clone)]
pub(super) struct Bounded<S> {
    pub(super) service: S,
    pub(super) requests: Bound,
    pub(super) intake: Intake,
}

impl<S, A> Service<Request> for Bounded<S>
where
    S: Service<Request, Response = http::Response<A>, Error = Infallible>,
    S::Future: Send + 'static,
    A: HttpBody<Data = Bytes> + Send + 'static,
    A::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let place = match self.requests.enter() {
            Ok(place) => place,
            Err(full) => return Box::pin(ready(Ok(Style::Grpc.refuse(full)))),
        };
        // A stream goes on for as long as the client likes, and each of its messages counts once it runs.
        let streams = request.uri().path().ends_with("/ModelStreamInfer");
        let request = if streams { request } else { self.intake.bounded(request) };
        let answer = self.service.call(unpacked(request, &self.intake));
        Box::pin(async move {
            let _place = place;
            Ok(answer.await?.map(Body::new))
        })
    }
}
