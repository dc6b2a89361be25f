//! gRPC's inference messages to the contract's request, and its response back.
//!
//! Raw contents stay the bytes that came off the wire, and go out as the bytes that the model gave.

use girandole_core::{
    DType, Error, InferRequest, InferResponse, NamedTensor, Parameter, Parameters, RequestedOutput, Result,
    Shape, Tensor,
};
use girandole_proto::oip::{
    InferParameter, ModelInferRequest, ModelInferResponse, infer_parameter::ParameterChoice,
    model_infer_request::InferInputTensor, model_infer_response::InferOutputTensor,
};

use super::{Limits, check, contents, model, options, shape};

type WireParameters = std::collections::HashMap<String, InferParameter>;

/// A request from its message.
///
/// # Errors
/// `InvalidArgument`, `TooLarge` or `Unimplemented` with what to change.
pub(crate) fn request(
    message: ModelInferRequest,
    limits: &Limits,
) -> Result<(InferRequest, options::Wishes)> {
    let (_, version) = model(&message.model_name, &message.model_version)?;
    let mut request =
        InferRequest { model: message.model_name, version, id: message.id, ..InferRequest::default() };
    let wishes = options::apply(&mut request, parameters(message.parameters)?)?;
    request.inputs.reserve_exact(message.inputs.len());
    let mut raw = raw_contents(&message.inputs, message.raw_input_contents)?;
    for input in message.inputs {
        request.inputs.push(self::input(input, raw.as_mut())?);
    }
    for output in message.outputs {
        let (classification, _) = options::output(&output.name, parameters(output.parameters)?)?;
        request.outputs.push(RequestedOutput { name: output.name, classification });
    }
    check(&request, limits)?;
    Ok((request, wishes))
}

type Raw = std::vec::IntoIter<bytes::Bytes>;

/// The raw contents where the request uses them: then all inputs do.
fn raw_contents(inputs: &[InferInputTensor], raw: Vec<bytes::Bytes>) -> Result<Option<Raw>> {
    if raw.is_empty() {
        return Ok(None);
    }
    if raw.len() != inputs.len() {
        return Err(Error::invalid(format!(
            "raw_input_contents must have one entry for each of the {} inputs, got {}",
            inputs.len(),
            raw.len()
        )));
    }
    match inputs.iter().find(|input| input.contents.is_some()) {
        Some(input) => Err(Error::invalid(format!(
            "input '{}' has contents although the request has raw_input_contents: use one of them",
            input.name
        ))),
        None => Ok(Some(raw.into_iter())),
    }
}

fn input(input: InferInputTensor, raw: Option<&mut Raw>) -> Result<NamedTensor> {
    let InferInputTensor { name, datatype, shape, parameters: wire, contents } = input;
    let parameters = parameters(wire)?;
    options::refuse_shared_memory(&name, &parameters)?;
    let tensor = (|| {
        let dtype: DType = datatype.parse().map_err(|error| Error::invalid(format!("{error}")))?;
        let shape: Shape = self::shape(&shape)?;
        let data = match raw.and_then(Iterator::next) {
            Some(raw) => raw,
            None => contents::bytes(dtype, &contents.unwrap_or_default())?,
        };
        Tensor::new(dtype, shape, data)
    })();
    match tensor {
        Ok(tensor) => Ok(NamedTensor { name, tensor, parameters }),
        Err(error) => Err(error.context(format!("input '{name}'"))),
    }
}

/// A response as a message, always with raw contents, as Triton's.
pub(crate) fn response(response: InferResponse) -> ModelInferResponse {
    let mut message = ModelInferResponse {
        model_name: response.model,
        model_version: response.version.to_string(),
        id: response.id,
        parameters: wire(response.parameters),
        ..ModelInferResponse::default()
    };
    for output in response.outputs {
        let shape = output.tensor.shape().iter().map(|&dim| i64::try_from(dim).unwrap_or(i64::MAX));
        message.outputs.push(InferOutputTensor {
            datatype: output.tensor.dtype().name().to_owned(),
            shape: shape.collect(),
            name: output.name,
            parameters: wire(output.parameters),
            contents: None,
        });
        message.raw_output_contents.push(output.tensor.data().clone());
    }
    message
}

fn parameters(wire: WireParameters) -> Result<Parameters> {
    if wire.is_empty() {
        return Ok(Parameters::new());
    }
    let one = |(key, value): (String, InferParameter)| {
        let value = match value.parameter_choice {
            Some(ParameterChoice::BoolParam(value)) => Parameter::Bool(value),
            Some(ParameterChoice::Int64Param(value)) => Parameter::I64(value),
            Some(ParameterChoice::Uint64Param(value)) => Parameter::U64(value),
            Some(ParameterChoice::DoubleParam(value)) => Parameter::F64(value),
            Some(ParameterChoice::StringParam(value)) => Parameter::String(value),
            None => return Err(Error::invalid(format!("the parameter '{key}' has no value"))),
        };
        Ok((key, value))
    };
    wire.into_iter().map(one).collect()
}

fn wire(parameters: Parameters) -> WireParameters {
    let one = |value| match value {
        Parameter::Bool(value) => ParameterChoice::BoolParam(value),
        Parameter::I64(value) => ParameterChoice::Int64Param(value),
        Parameter::U64(value) => ParameterChoice::Uint64Param(value),
        Parameter::F64(value) => ParameterChoice::DoubleParam(value),
        Parameter::String(value) => ParameterChoice::StringParam(value),
    };
    let wrap = |(key, value)| (key, InferParameter { parameter_choice: Some(one(value)) });
    parameters.into_iter().map(wrap).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use girandole_proto::oip::InferTensorContents;

    use super::*;

    fn message(raw: Vec<Bytes>, contents: Option<InferTensorContents>) -> ModelInferRequest {
        let input = InferInputTensor {
            name: "x".into(),
            datatype: "UINT8".into(),
            shape: vec![1, 2],
            contents,
            ..InferInputTensor::default()
        };
        ModelInferRequest {
            model_name: "m".into(),
            inputs: vec![input],
            raw_input_contents: raw,
            ..ModelInferRequest::default()
        }
    }

    fn error(message: ModelInferRequest) -> String {
        request(message, &Limits::default()).unwrap_err().message().to_owned()
    }

    #[test]
    fn raw_contents_are_not_copied() {
        let raw = Bytes::from(vec![1, 2]);
        let (request, _) = request(message(vec![raw.clone()], None), &Limits::default()).unwrap();
        assert_eq!(request.inputs[0].tensor.data().as_ptr(), raw.as_ptr());
    }

    #[test]
    fn raw_and_typed_contents_exclude_each_other() {
        let raw = || Bytes::from_static(&[1, 2]);
        let typed = InferTensorContents { uint_contents: vec![1, 2], ..Default::default() };
        assert!(request(message(vec![], Some(typed.clone())), &Limits::default()).is_ok());
        assert!(error(message(vec![raw()], Some(typed))).contains("use one of them"));
        assert!(error(message(vec![raw(), raw()], None)).contains("each of the 1 inputs, got 2"));
        assert!(
            error(message(vec![raw().slice(1..)], None)).contains("input 'x': UINT8 data of shape [1,2]")
        );
    }

    #[test]
    fn odd_datatypes_are_refused() {
        let mut odd = message(vec![], None);
        odd.inputs[0].datatype = "FLOAT".into();
        assert!(error(odd).starts_with("input 'x': unknown datatype 'FLOAT'"));
    }

    #[test]
    fn more_tensors_than_the_limit_are_too_large() {
        let limits = Limits { max_tensors: 0, ..Limits::default() };
        let error = request(message(vec![Bytes::from_static(&[1, 2])], None), &limits).unwrap_err();
        assert_eq!(error.code(), girandole_core::ErrorCode::TooLarge);
    }
}
