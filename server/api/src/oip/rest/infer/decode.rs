//! A REST body to the contract's request, and which outputs are to come in binary form.

use bytes::Bytes;
use girandole_core::{
    DType, Dim, Error, InferRequest, ModelSpec, NamedTensor, RequestedOutput, Result, Shape, Tensor,
    TensorSpec, bytes_tensor,
};

use super::ModelPath;
use crate::{
    limits::Limits,
    oip::{
        binary::{self, Form},
        convert::{self, options},
        json::{self, JsonInput},
    },
};

/// A request, ready to run.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) request: InferRequest,
    pub(super) outputs: BinaryOutputs,
}

/// Which outputs come in binary form.
#[derive(Debug, Default)]
pub(super) struct BinaryOutputs {
    default: bool,
    chosen: Vec<(String, bool)>,
}

impl BinaryOutputs {
    /// Whether this output comes in binary form.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.chosen.iter().find(|(chosen, _)| chosen == name).map_or(self.default, |(_, binary)| *binary)
    }
}

/// A request of JSON, with or without binary tensors.
///
/// # Errors
/// `InvalidArgument`, `TooLarge` or `Unimplemented` with what to change.
pub(super) fn structured(path: ModelPath, form: Form, limits: &Limits) -> Result<Decoded> {
    let (json, tensors) = match form {
        Form::Json(json) | Form::Raw(json) => (json, Bytes::new()),
        Form::Mixed { json, tensors } => (json, tensors),
    };
    let mut parsed = json::parse(&json)?;
    binary::attach(&mut parsed.inputs, &tensors)?;
    let mut request =
        InferRequest { model: path.name, version: path.version, id: parsed.id, ..InferRequest::default() };
    let wishes = options::apply(&mut request, parsed.parameters)?;
    let mut outputs = BinaryOutputs { default: wishes.binary, chosen: Vec::new() };
    request.inputs = parsed.inputs.into_iter().map(input).collect::<Result<_>>()?;
    for output in parsed.outputs {
        let (classification, binary) = options::output(&output.name, output.parameters)?;
        outputs.chosen.extend(binary.map(|binary| (output.name.clone(), binary)));
        request.outputs.push(RequestedOutput { name: output.name, classification });
    }
    convert::check(&request, limits)?;
    Ok(Decoded { request, outputs })
}

fn input(input: JsonInput) -> Result<NamedTensor> {
    options::refuse_shared_memory(&input.name, &input.parameters)?;
    let data = input.data.unwrap_or_default();
    let tensor = Tensor::new(input.dtype, input.shape, data)
        .map_err(|error| error.context(format!("input '{}'", input.name)))?;
    Ok(NamedTensor { name: input.name, tensor, parameters: input.parameters })
}

/// A request whose body is the model's only input, a batch of one; every output comes in binary form.
///
/// # Errors
/// `InvalidArgument` where the model's input is not such a one, or the body's length does not fit it.
pub(super) fn raw(path: ModelPath, spec: &ModelSpec, body: Bytes) -> Result<Decoded> {
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
    Ok(Decoded { request, outputs: BinaryOutputs { default: true, chosen: Vec::new() } })
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

    #[test]
    fn outputs_choose_their_form_above_the_requests_default() {
        let body = br#"{"inputs":[],"parameters":{"binary_data_output":true},
            "outputs":[{"name":"a","parameters":{"binary_data":false,"classification":2}},{"name":"b"}]}"#;
        let form = Form::Json(Bytes::from_static(body));
        let decoded = structured(path(), form, &Limits::default()).unwrap();
        assert!(!decoded.outputs.contains("a"));
        assert!(decoded.outputs.contains("b"));
        assert_eq!(decoded.request.outputs[0].classification, Some(2));
    }

    #[test]
    fn an_input_without_data_is_refused() {
        let body = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[0]}]}"#;
        let error = structured(path(), Form::Json(Bytes::from_static(body)), &Limits::default()).unwrap_err();
        assert_eq!(error.message(), "input 'x' has neither 'data' nor the parameter 'binary_data_size'");
    }
}
