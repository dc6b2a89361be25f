//! Inference requests and responses as files: the bodies of the REST protocol, without a server.

use bytes::Bytes;
use girandole_core::{InferRequest, InferResponse, Result, VersionSelector};

use crate::{
    limits::Limits,
    oip::{binary::Form, convert::structured, json},
};

/// The request that a JSON body holds; its model stays empty.
///
/// # Errors
/// `InvalidArgument` that says what is wrong and where.
pub fn decode_request(body: &[u8]) -> Result<InferRequest> {
    let limits = Limits { max_tensors: usize::MAX, max_elements: usize::MAX, ..Limits::default() };
    let form = Form::Json(Bytes::copy_from_slice(body));
    Ok(structured::decode(String::new(), VersionSelector::Any, form, &limits)?.request)
}

/// The JSON body of a response.
///
/// # Errors
/// `InvalidArgument` where a BYTES element is no UTF-8.
pub fn encode_response(response: &InferResponse) -> Result<Vec<u8>> {
    json::response(response, |_| false)
}

#[cfg(test)]
mod tests {
    use girandole_core::{NamedTensor, Parameters};

    use super::*;

    #[test]
    fn a_file_is_a_body_of_the_protocol() {
        let body = br#"{"inputs":[{"name":"x","datatype":"INT64","shape":[2],"data":[1,2]}]}"#;
        let NamedTensor { tensor, .. } = decode_request(body).unwrap().inputs.remove(0);
        let outputs = vec![NamedTensor::new("y", tensor)];
        let response = InferResponse {
            model: "m".into(),
            version: 1,
            route: Default::default(),
            id: String::new(),
            outputs,
            parameters: Parameters::new(),
        };
        let json = String::from_utf8(encode_response(&response).unwrap()).unwrap();
        assert!(json.ends_with(r#"[{"name":"y","datatype":"INT64","shape":[2],"data":[1,2]}]}"#), "{json}");
    }
}
