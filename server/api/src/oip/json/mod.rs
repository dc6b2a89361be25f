//! The protocol's JSON: requests parsed straight into typed little-endian buffers, responses written
//! straight from them. No value tree in between.

mod at_most;
mod elements;
mod nonfinite;
mod parameters;
mod request;
mod write;

use girandole_core::{Error, Result};
use serde::Deserialize;

pub(crate) use parameters::JsonParameters;
pub(crate) use request::{JsonInput, parse};
pub(crate) use write::response;

/// Reads a small JSON body; an empty one reads as `{}`.
///
/// # Errors
/// `InvalidArgument` that says where the body is wrong.
pub(crate) fn body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    // Serde would take an array for a struct, its entries for the fields in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid("invalid request: expected an object, got an array"));
    }
    serde_json::from_slice(body).map_err(|error| explain(&error))
}

/// What is wrong with a body, for the user.
fn explain(error: &serde_json::Error) -> Error {
    match error.classify() {
        serde_json::error::Category::Data => Error::invalid(format!("invalid request: {error}")),
        _ => Error::invalid(format!("the request is not valid JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Settings {
        #[serde(default)]
        ready: bool,
    }

    #[test]
    fn a_small_body_is_an_object_or_nothing() {
        assert_eq!(body::<Settings>(br#" {"ready":true}"#).unwrap(), Settings { ready: true });
        assert_eq!(body::<Settings>(b" ").unwrap(), Settings::default());
        for (json, expected) in [
            ("[]", "expected an object, got an array"),
            (" [true]", "expected an object, got an array"),
            ("7", "invalid type: integer"),
            ("{", "not valid JSON"),
        ] {
            let error = body::<Settings>(json.as_bytes()).unwrap_err();
            assert!(error.message().contains(expected), "{json}: {error}");
        }
    }
}
