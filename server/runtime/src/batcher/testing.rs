//! Requests for the tests: `x`, one byte a row, in; `y0` to `y3` out.

use std::time::Instant;

use bytes::Bytes;
use girandole_core::{DType, InferRequest, ModelSpec, NamedTensor, Result, Shape, Tensor, TensorSpec};
use tokio::sync::oneshot;

use super::message::{Answer, Message};

pub(crate) fn spec(max_batch_size: usize) -> ModelSpec {
    let outputs = (0..4).map(|i| TensorSpec::new(format!("y{i}"), DType::U8, &[-1, -1])).collect();
    ModelSpec { inputs: vec![TensorSpec::new("x", DType::U8, &[-1, -1])], outputs, max_batch_size }
}

/// A request with one row for each of these values.
pub(crate) fn request(values: &[u8]) -> InferRequest {
    let tensor =
        Tensor::new(DType::U8, Shape::new(&[values.len(), 1]), Bytes::copy_from_slice(values)).unwrap();
    InferRequest { inputs: vec![NamedTensor::new("x", tensor)], ..InferRequest::default() }
}

/// The same as a message, received now.
pub(crate) fn message(spec: &ModelSpec, values: &[u8]) -> (Message, oneshot::Receiver<Result<Answer>>) {
    Message::new(request(values), values.len(), spec, Instant::now())
}
