//! The protocols without a socket, for the fuzz targets: a body to the contract's request, an answer to its body.
//!
//! These are the functions that the handlers call, in their order; there is nothing else here.

use bytes::Bytes;
use futures::FutureExt;
use girandole_core::{Error, InferRequest, InferResponse, ModelSpec, Result, VersionSelector};
use girandole_proto::{
    bounds,
    oip::{ModelInferRequest, ModelInferResponse},
};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use prost::Message;

use crate::{
    limits::Limits,
    oip::{
        binary::{self, Form},
        convert::{
            structured::{self, Decoded},
            tensors,
        },
        rest::{
            infer::{decode, encode},
            path::ModelPath,
        },
    },
};

/// A REST request, and the form in which it wants its answer.
pub struct RestRequest(Decoded);

/// A REST body; `header` is what `Inference-Header-Content-Length` says, where it is there.
pub struct RestBody {
    /// The header's value.
    pub header: Option<usize>,
    /// The body.
    pub body: Bytes,
}

impl RestRequest {
    /// Reads a request for a model of this specification.
    ///
    /// # Errors
    /// What a client would be told.
    pub fn read(from: RestBody, spec: &ModelSpec) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.extend(from.header.map(|length| (binary::HEADER, HeaderValue::from(length))));
        let (name, version) = ("fuzz".to_owned(), VersionSelector::Any);
        let decoded = match binary::split(&headers, from.body)? {
            Form::Raw(body) => decode::raw(ModelPath { name, version }, spec, body)?,
            form => structured::decode(name, version, form, &Limits::default())?,
        };
        Ok(Self(decoded))
    }

    /// The request as the runtime gets it.
    pub fn request(&self) -> &InferRequest {
        &self.0.request
    }

    /// The answer's body.
    ///
    /// # Errors
    /// What a client would be told.
    pub fn answer(&self, response: &InferResponse) -> Result<RestBody> {
        let response = encode::response(response, &self.0.outputs)?;
        let header = response.headers().get(binary::HEADER);
        let header = header.and_then(|length| length.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().now_or_never();
        let body = body.and_then(|body| body.ok()).ok_or_else(|| Error::internal("a body that waits"))?;
        Ok(RestBody { header, body: body.to_bytes() })
    }
}

/// Reads a gRPC message as the service's codec does.
///
/// # Errors
/// What a client would be told.
pub fn grpc_message(message: Bytes) -> Result<ModelInferRequest> {
    bounds::check::<ModelInferRequest>(&message).map_err(|error| Error::invalid(error.to_string()))?;
    ModelInferRequest::decode(message).map_err(|error| Error::invalid(error.to_string()))
}

/// The request of a gRPC message.
///
/// # Errors
/// What a client would be told.
pub fn grpc_request(message: ModelInferRequest) -> Result<InferRequest> {
    tensors::request(message, &Limits::default()).map(|(request, _)| request)
}

/// The message of an answer.
pub fn grpc_answer(response: InferResponse) -> ModelInferResponse {
    tensors::response(response)
}
