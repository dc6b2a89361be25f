//! Inference over gRPC: one request, or a stream of them.

use std::{pin::Pin, sync::Arc, time::Instant};

use futures::{Stream, StreamExt};
use girandole_access::{Action, Caller};
use girandole_core::{Error, ErrorCode, InferResponse, Parameter, Result};
use girandole_proto::oip::{ModelInferRequest, ModelInferResponse, ModelStreamInferResponse};
use http::HeaderMap;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::timeout;
use crate::{
    error::status,
    oip::{
        Oip,
        convert::{options::Wishes, tensors},
        route::{self, CallHeaders},
    },
    stop::Stop,
};

/// The answers of a stream.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<ModelStreamInferResponse, Status>> + Send>>;

/// Runs a request.
pub(super) async fn unary(
    oip: &Oip,
    request: Request<ModelInferRequest>,
) -> Result<Response<ModelInferResponse>, Status> {
    let (metadata, mut extensions, message) = request.into_parts();
    let compressed = is_compressed(&metadata);
    let (response, _) = run(oip, message, &Call::new(metadata, extensions.remove())).await.map_err(status)?;
    let mut headers = HeaderMap::new();
    route::write(&response.route, &mut headers);
    let mut response = Response::new(tensors::response(response));
    *response.metadata_mut() = MetadataMap::from_headers(headers);
    // Clients list what they could unpack with every call; only one that packs is taken to want it.
    if !compressed {
        response.disable_compression();
    }
    Ok(response)
}

fn is_compressed(metadata: &MetadataMap) -> bool {
    metadata.get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
}

/// Runs each request of a stream as it comes, many at once, and answers in the requests' order.
///
/// An error goes into its response's `error_message` and the stream goes on, unless the call carries the
/// metadata `triton_grpc_error: true`: then it ends the stream as a status. A server that stops answers what
/// it has read and ends the stream with UNAVAILABLE.
pub(super) fn stream(
    oip: &Oip,
    request: Request<Streaming<ModelInferRequest>>,
    stop: Stop,
) -> Response<Answers> {
    let (metadata, mut extensions, messages) = request.into_parts();
    let as_status = metadata.get("triton_grpc_error").is_some_and(|value| value == "true");
    let call = Call::new(metadata, extensions.remove());
    let in_flight = oip.limits.max_stream_in_flight.max(1);
    let oip = oip.clone();
    let answers = until(stop, messages).map(move |message| {
        let (oip, call) = (oip.clone(), call.clone());
        async move {
            let message = message?;
            let id = message.id.clone();
            match run(&oip, message, &call).await {
                Ok((response, wishes)) => Ok(success(response, wishes)),
                Err(error) if as_status => Err(status(error)),
                Err(error) => Ok(failure(id, &error)),
            }
        }
    });
    Response::new(Box::pin(answers.buffered(in_flight)))
}

/// The messages until the end is announced, and then a status that says so.
fn until(
    mut stop: Stop,
    mut messages: Streaming<ModelInferRequest>,
) -> impl Stream<Item = Result<ModelInferRequest, Status>> {
    async_stream::stream! {
        loop {
            tokio::select! {
                biased;
                _ = stop.announced() => {
                    yield Err(status(Error::unavailable("the server is shutting down")));
                    break;
                }
                message = messages.next() => match message {
                    Some(message) => yield message,
                    None => break,
                },
            }
        }
    }
}

/// What a call says about all of its requests.
#[derive(Clone)]
struct Call {
    deadline: Option<Instant>,
    headers: Arc<CallHeaders>,
    caller: Option<Caller>,
}

impl Call {
    fn new(metadata: MetadataMap, caller: Option<Caller>) -> Self {
        let deadline = timeout::deadline(&metadata);
        Self { deadline, headers: Arc::new(CallHeaders(metadata.into_headers())), caller }
    }
}

async fn run(oip: &Oip, message: ModelInferRequest, call: &Call) -> Result<(InferResponse, Wishes)> {
    oip.guard.permits(call.caller.as_ref(), Action::Infer, &message.model_name)?;
    let _in_work = oip.guard.admit(call.caller.as_ref(), &message.model_name)?;
    let (mut request, wishes) = tensors::request(message, &oip.limits)?;
    request.deadline = call.deadline;
    request.headers = Some(call.headers.clone());
    let answer = oip.service.infer(request);
    let Some(deadline) = call.deadline else { return Ok((answer.await?, wishes)) };
    match tokio::time::timeout_at(deadline.into(), answer).await {
        Ok(answer) => Ok((answer?, wishes)),
        Err(_) => {
            Err(Error::new(ErrorCode::DeadlineExceeded, "the call's deadline passed before the answer"))
        }
    }
}

fn success(mut response: InferResponse, wishes: Wishes) -> ModelStreamInferResponse {
    route::parameters(&response.route, &mut response.parameters);
    if wishes.mark_final {
        response.parameters.insert("triton_final_response".to_owned(), Parameter::Bool(true));
    }
    ModelStreamInferResponse { infer_response: Some(tensors::response(response)), ..Default::default() }
}

/// The identifier tells a client which of its requests failed.
fn failure(id: String, error: &Error) -> ModelStreamInferResponse {
    ModelStreamInferResponse {
        error_message: error.message().to_owned(),
        infer_response: Some(ModelInferResponse { id, ..ModelInferResponse::default() }),
    }
}
