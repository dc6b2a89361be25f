//! A REST body of JSON, with or without binary tensors, to the contract's request.

use bytes::Bytes;
use girandole_core::{InferRequest, NamedTensor, RequestedOutput, Result, Tensor, VersionSelector};

use super::{Limits, options};
use crate::oip::{
    binary::{self, Form},
    json::{self, JsonInput},
};

/// A request, ready to run.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) request: InferRequest,
    pub(crate) outputs: BinaryOutputs,
}

/// Which outputs come in binary form.
#[derive(Debug, Default)]
pub(crate) struct BinaryOutputs {
    default: bool,
    chosen: Vec<(String, bool)>,
}

impl BinaryOutputs {
    /// Every output.
    pub(crate) const fn all() -> Self {
        Self { default: true, chosen: Vec::new() }
    }

    /// Whether this output comes in binary form.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.chosen.iter().find(|(chosen, _)| chosen == name).map_or(self.default, |(_, binary)| *binary)
    }
}

/// A request of JSON, with or without binary tensors.
///
/// # Errors
/// `InvalidArgument`, `TooLarge` or `Unimplemented` with what to change.
pub(crate) fn decode(
    model: String,
    version: VersionSelector,
    form: Form,
    limits: &Limits,
) -> Result<Decoded> {
    let (json, tensors) = match form {
        Form::Json(json) | Form::Raw(json) => (json, Bytes::new()),
        Form::Mixed { json, tensors } => (json, tensors),
    };
    let mut parsed = json::parse(&json)?;
    binary::attach(&mut parsed.inputs, &tensors)?;
    let mut request = InferRequest { model, version, id: parsed.id, ..InferRequest::default() };
    let wishes = options::apply(&mut request, parsed.parameters)?;
    let mut outputs = BinaryOutputs { default: wishes.binary, chosen: Vec::new() };
    request.inputs = parsed.inputs.into_iter().map(input).collect::<Result<_>>()?;
    for output in parsed.outputs {
        let (classification, binary) = options::output(&output.name, output.parameters)?;
        outputs.chosen.extend(binary.map(|binary| (output.name.clone(), binary)));
        request.outputs.push(RequestedOutput { name: output.name, classification });
    }
    super::check(&request, limits)?;
    Ok(Decoded { request, outputs })
}

fn input(input: JsonInput) -> Result<NamedTensor> {
    options::refuse_shared_memory(&input.name, &input.parameters)?;
    let data = input.data.unwrap_or_default();
    let tensor = Tensor::new(input.dtype, input.shape, data)
        .map_err(|error| error.context(format!("input '{}'", input.name)))?;
    Ok(NamedTensor { name: input.name, tensor, parameters: input.parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_choose_their_form_above_the_requests_default() {
        let body = br#"{"inputs":[],"parameters":{"binary_data_output":true},
            "outputs":[{"name":"a","parameters":{"binary_data":false,"classification":2}},{"name":"b"}]}"#;
        let form = Form::Json(Bytes::from_static(body));
        let decoded = decode("m".to_owned(), VersionSelector::Any, form, &Limits::default()).unwrap();
        assert!(!decoded.outputs.contains("a"));
        assert!(decoded.outputs.contains("b"));
        assert_eq!(decoded.request.outputs[0].classification, Some(2));
    }

    #[test]
    fn an_input_without_data_is_refused() {
        let body = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[0]}]}"#;
        let form = Form::Json(Bytes::from_static(body));
        let error = decode("m".to_owned(), VersionSelector::Any, form, &Limits::default()).unwrap_err();
        assert_eq!(error.message(), "input 'x' has neither 'data' nor the parameter 'binary_data_size'");
    }
}
