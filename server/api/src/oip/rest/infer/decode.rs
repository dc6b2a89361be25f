//! A REST body that is one raw tensor, to the contract's request.

use bytes::Bytes;
use girandole_core::{
    DType, Dim, Error, InferRequest, ModelSpec, NamedTensor, Result, Shape, Tensor, TensorSpec, bytes_tensor,
};

use crate::oip::{
    convert::structured::{BinaryOutputs, Decoded},
    rest::path::ModelPath,
};

/// A request whose body is the model's only input, a batch of one; every output comes in binary form.
///
/// # Errors
/// `InvalidArgument` where the model's input is not such a one, or the body's length does not fit it.
pub(crate) fn raw(path: ModelPath, spec: &ModelSpec, body: Bytes) -> Result<Decoded> {
    let [input] = spec.inputs.as_slice() else {
        return Err(Error::invalid(format!(
            "a raw body (Inference-Header-Content-Length: 0) needs a model of one input, this one has {}",
            spec.inputs.len()
        )));
    };
    let (shape, data) = match input.dtype.size() {
        Some(size) => (raw_shape(input, spec.batches(), body.len() / size)?, body),
        None => (raw_shape(input, spec.batches(), 1)?, bytes_tensor::encode([body.as_ref()])),
    };
    let tensor = Tensor::new(input.dtype, shape, data)
        .map_err(|error| error.context(format!("the raw body as input '{}'", input.name)))?;
    let request = InferRequest {
        model: path.name,
        version: path.version,
        inputs: vec![NamedTensor::new(input.name.clone(), tensor)],
        ..InferRequest::default()
    };
    Ok(Decoded { request, outputs: BinaryOutputs::all() })
}

/// The input's shape with one row, and the one free dimension that is left taking all elements.
fn raw_shape(input: &TensorSpec, batches: bool, elements: usize) -> Result<Shape> {
    let unclear = || {
        Error::invalid(format!(
            "a raw body needs an input of at most one free dimension, '{}' is {input}",
            input.name
        ))
    };
    let dims = input.dims.as_ref().ok_or_else(unclear)?;
    let mut shape: Vec<Option<usize>> = dims.iter().map(fixed).collect();
    if let Some(rows) = shape.first_mut().filter(|_| batches) {
        *rows = Some(1);
    }
    let known = shape.iter().flatten().try_fold(1usize, |product, &dim| product.checked_mul(dim));
    let rest = known.filter(|&known| known > 0).map_or(0, |known| elements / known);
    match shape.iter().filter(|dim| dim.is_none()).count() {
        0 | 1 if input.dtype != DType::Bytes || known == Some(1) => {}
        _ => return Err(unclear()),
    }
    Ok(shape.into_iter().map(|dim| dim.unwrap_or(rest)).collect())
}

fn fixed(dim: &Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(size) => Some(*size),
        Dim::Free(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use girandole_core::VersionSelector;

    use super::*;

    fn path() -> ModelPath {
        ModelPath { name: "m".into(), version: VersionSelector::Any }
    }

    fn spec(dtype: DType, dims: &[i64]) -> ModelSpec {
        ModelSpec { inputs: vec![TensorSpec::new("x", dtype, dims)], outputs: vec![], max_batch_size: 4 }
    }

    fn raw_of(dtype: DType, dims: &[i64], body: &'static [u8]) -> Result<Shape> {
        let decoded = raw(path(), &spec(dtype, dims), Bytes::from_static(body))?;
        Ok(decoded.request.inputs[0].tensor.shape().clone())
    }

    #[test]
    fn a_raw_body_fills_the_one_free_dimension() {
        assert_eq!(raw_of(DType::U8, &[-1, -1, 2], &[0; 6]).unwrap(), Shape::new(&[1, 3, 2]));
        assert_eq!(raw_of(DType::F32, &[-1, 2], &[0; 8]).unwrap(), Shape::new(&[1, 2]));
        assert_eq!(raw_of(DType::Bytes, &[-1, 1], b"hello").unwrap(), Shape::new(&[1, 1]));
        for (dtype, dims, body) in [
            (DType::U8, &[-1, -1, -1][..], &[0u8; 6][..]),
            (DType::U8, &[-1, -1, 4], &[0; 6]),
            (DType::F32, &[-1, 2], &[0; 9]),
            (DType::Bytes, &[-1, 2], b"hello"),
        ] {
            assert!(raw_of(dtype, dims, body).is_err(), "{dtype} {dims:?}");
        }
    }
}
