//! The binary tensor data extension: a body that is JSON and then the tensors' bytes, back to back.
//!
//! Invariant: tensors are slices of the body, never copies, and together with the JSON they are the whole
//! body.

use bytes::Bytes;
use girandole_core::{Error, Parameter, Parameters, Result};
use http::{HeaderMap, HeaderName};

use super::json::JsonInput;

/// The header that gives the length of the body's JSON part.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("inference-header-content-length");

/// The input parameter that gives the length of its bytes.
const SIZE: &str = "binary_data_size";

/// What a body's header says of its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of it is JSON.
    Json(Bytes),
    /// JSON, and the tensors after it.
    Mixed { json: Bytes, tensors: Bytes },
    /// All of it is one tensor.
    Raw(Bytes),
}

/// Splits a body.
///
/// # Errors
/// `InvalidArgument` where the header is no number or exceeds the body.
pub(crate) fn split(headers: &HeaderMap, body: Bytes) -> Result<Form> {
    let Some(value) = headers.get(HEADER) else { return Ok(Form::Json(body)) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse::<usize>().ok()).ok_or_else(|| {
        Error::invalid("the header Inference-Header-Content-Length must be a number of bytes")
    })?;
    if length == 0 {
        return Ok(Form::Raw(body));
    }
    if length > body.len() {
        return Err(Error::invalid(format!(
            "the header Inference-Header-Content-Length says {length} bytes of JSON, the body has {}",
            body.len()
        )));
    }
    Ok(Form::Mixed { json: body.slice(..length), tensors: body.slice(length..) })
}

/// Gives each input that has a `binary_data_size` its slice of the tensors, in order.
///
/// # Errors
/// `InvalidArgument` where sizes and bytes do not fit, or an input has no data or both kinds.
pub(crate) fn attach(inputs: &mut [JsonInput], tensors: &Bytes) -> Result<()> {
    let mut at = 0usize;
    for input in inputs {
        let Some(size) = take_size(&input.name, &mut input.parameters)? else {
            if input.data.is_none() {
                return Err(Error::invalid(format!(
                    "input '{}' has neither 'data' nor the parameter '{SIZE}'",
                    input.name
                )));
            }
            continue;
        };
        if input.data.is_some() {
            return Err(Error::invalid(format!("input '{}' has both 'data' and '{SIZE}'", input.name)));
        }
        let end = at.checked_add(size).filter(|&end| end <= tensors.len()).ok_or_else(|| {
            Error::invalid(format!(
                "input '{}' has {SIZE} {size}, but only {} bytes of binary data are left in the body",
                input.name,
                tensors.len() - at
            ))
        })?;
        input.data = Some(tensors.slice(at..end));
        at = end;
    }
    match tensors.len() - at {
        0 => Ok(()),
        left => Err(Error::invalid(format!("{left} bytes of binary data belong to no input"))),
    }
}

fn take_size(name: &str, parameters: &mut Parameters) -> Result<Option<usize>> {
    match parameters.remove(SIZE) {
        None => Ok(None),
        Some(Parameter::I64(size)) if size >= 0 => Ok(usize::try_from(size).ok()),
        Some(_) => Err(Error::invalid(format!("'{SIZE}' of input '{name}' must be a number of bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oip::json;

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, http::HeaderValue::from_static(value))])
    }

    fn inputs(sizes: &[&str]) -> Vec<JsonInput> {
        let input = |size: &&str| {
            format!(
                r#"{{"name":"x","datatype":"UINT8","shape":[2],"parameters":{{"binary_data_size":{size}}}}}"#
            )
        };
        let inputs = sizes.iter().map(input).collect::<Vec<_>>().join(",");
        json::parse(format!(r#"{{"inputs":[{inputs}]}}"#).as_bytes()).unwrap().inputs
    }

    #[test]
    fn a_body_is_split_where_its_header_says() {
        let body = Bytes::from_static(b"{}abc");
        let mixed = split(&headers("2"), body.clone()).unwrap();
        assert_eq!(
            mixed,
            Form::Mixed { json: Bytes::from_static(b"{}"), tensors: Bytes::from_static(b"abc") }
        );
        assert_eq!(split(&HeaderMap::new(), body.clone()).unwrap(), Form::Json(body.clone()));
        assert_eq!(split(&headers("0"), body.clone()).unwrap(), Form::Raw(body.clone()));
        for (value, expected) in
            [("6", "says 6 bytes of JSON, the body has 5"), ("-1", "must be a number"), ("x", "must be a")]
        {
            let error = split(&headers(value), body.clone()).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }

    #[test]
    fn tensors_are_slices_of_the_body() {
        let body = Bytes::from_static(b"abcd");
        let mut inputs = inputs(&["2", "2"]);
        attach(&mut inputs, &body).unwrap();
        assert_eq!(inputs[1].data.as_ref().unwrap().as_ptr(), body[2..].as_ptr());
        assert!(inputs[0].parameters.is_empty());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let table: [(&[&str], &str); 5] = [
            (&["5"], "only 4 bytes of binary data are left"),
            (&["2"], "2 bytes of binary data belong to no input"),
            (&["2", "9223372036854775807"], "only 2 bytes of binary data are left"),
            (&["-1"], "must be a number of bytes"),
            (&["18446744073709551615"], "must be a number of bytes"),
        ];
        for (sizes, expected) in table {
            let error = attach(&mut inputs(sizes), &Bytes::from_static(b"abcd")).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }
}
