//! Between the protocol's forms and the contract's, for both REST and gRPC.

pub(crate) mod contents;
pub(crate) mod options;
pub(crate) mod structured;
pub(crate) mod tensors;

use girandole_core::{Error, ErrorCode, InferRequest, Result, Shape, VersionSelector};

use crate::limits::Limits;

/// Most dimensions of a tensor.
pub(crate) const MAX_RANK: usize = 32;

/// Longest model name, as long as a file name may be.
const MAX_NAME: usize = 255;

/// A shape from the wire.
///
/// # Errors
/// `InvalidArgument` where a size is negative or there are too many.
pub(crate) fn shape(dims: &[i64]) -> Result<Shape> {
    if dims.len() > MAX_RANK {
        return Err(Error::invalid(format!("a shape has at most {MAX_RANK} dimensions, got {}", dims.len())));
    }
    let size = |&dim: &i64| usize::try_from(dim).ok();
    let sizes: Option<Shape> = dims.iter().map(size).collect();
    sizes.ok_or_else(|| Error::invalid(format!("shape {dims:?} must have sizes of 0 or more")))
}

/// Checks that a model's name can be one: no separators, no dots alone, nothing unprintable.
///
/// # Errors
/// `InvalidArgument` that says what a name may be.
pub(crate) fn model_name(name: &str) -> Result<&str> {
    let odd = |c: char| matches!(c, '/' | '\\') || c.is_control();
    if name.is_empty() || name.len() > MAX_NAME || matches!(name, "." | "..") || name.contains(odd) {
        return Err(Error::invalid(format!(
            "a model name has 1 to {MAX_NAME} bytes without '/', '\\' or control characters"
        )));
    }
    Ok(name)
}

/// Checks a model's name and reads the version asked for.
///
/// # Errors
/// As [`model_name`].
pub(crate) fn model<'a>(name: &'a str, version: &str) -> Result<(&'a str, VersionSelector)> {
    let selector = VersionSelector::parse(version);
    if let VersionSelector::Label(label) = &selector {
        model_name(label).map_err(|_| Error::invalid("a version is a number or a label"))?;
    }
    Ok((model_name(name)?, selector))
}

/// Checks the number of tensors and of their elements. What they are called is checked with the model's specification.
///
/// # Errors
/// `TooLarge` above the limit.
pub(crate) fn check(request: &InferRequest, limits: &Limits) -> Result<()> {
    count("inputs", request.inputs.len(), limits)?;
    count("outputs", request.outputs.len(), limits)?;
    let most = limits.max_elements;
    let Some(input) = request.inputs.iter().find(|input| input.tensor.elements() > most) else {
        return Ok(());
    };
    let (name, came) = (&input.name, input.tensor.elements());
    Err(Error::new(ErrorCode::TooLarge, format!("input '{name}' has {came} elements, the limit is {most}")))
}

fn count(what: &str, came: usize, limits: &Limits) -> Result<()> {
    if came <= limits.max_tensors {
        return Ok(());
    }
    let message = format!("a request has at most {} {what}, got {came}", limits.max_tensors);
    Err(Error::new(ErrorCode::TooLarge, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for name in ["", ".", "..", "a/b", "../x", "a\\b", "a\0b", &"x".repeat(256)] {
            assert!(model_name(name).is_err(), "{name:?}");
        }
        for name in ["churn", "a.b-c_d", "...", "模型"] {
            assert!(model_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn negative_and_too_many_dimensions_are_refused() {
        assert!(shape(&[1, -1]).unwrap_err().message().contains("[1, -1]"));
        assert!(shape(&[1; 33]).unwrap_err().message().contains("at most 32"));
        assert_eq!(shape(&[2, 0]).unwrap(), Shape::new(&[2, 0]));
    }
}
