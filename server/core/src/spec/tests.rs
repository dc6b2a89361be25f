//! Requests that do and do not fit a specification.

use bytes::Bytes;

use super::*;
use crate::{ErrorCode, RequestedOutput, Tensor};

fn spec() -> ModelSpec {
    let mut ids = TensorSpec::new("ids", DType::U8, &[-1, -1]);
    let mut mask = TensorSpec::new("mask", DType::U8, &[-1, -1]);
    for input in [&mut ids, &mut mask] {
        if let Some(dims) = &mut input.dims {
            dims[1] = Dim::Free(Some("seq".into()));
        }
    }
    ModelSpec {
        inputs: vec![ids, mask],
        outputs: vec![TensorSpec::new("y", DType::U8, &[-1, 3])],
        max_batch_size: 4,
    }
}

fn input(name: &str, dims: &[usize]) -> NamedTensor {
    let len = dims.iter().product();
    NamedTensor::new(name, Tensor::new(DType::U8, Shape::new(dims), Bytes::from(vec![0; len])).unwrap())
}

fn check(inputs: Vec<NamedTensor>) -> Result<RowCount> {
    spec().check(&InferRequest { inputs, ..InferRequest::default() })
}

fn message(inputs: Vec<NamedTensor>) -> String {
    check(inputs).unwrap_err().message().to_owned()
}

#[test]
fn a_fitting_request_counts_its_rows() {
    assert_eq!(check(vec![input("ids", &[3, 5]), input("mask", &[3, 5])]), Ok(3));
}

#[test]
fn names_must_be_known_unique_and_complete() {
    assert!(
        message(vec![input("x", &[1, 1])]).starts_with("unexpected input 'x', the inputs are 'ids', 'mask'")
    );
    assert_eq!(message(vec![input("ids", &[1, 1]), input("ids", &[1, 1])]), "input 'ids' is given twice");
    assert!(message(vec![input("ids", &[1, 1])]).starts_with("input 'mask' is missing"));
}

#[test]
fn ranks_and_shared_dimensions_must_fit() {
    let rank = message(vec![input("ids", &[1, 1, 1]), input("mask", &[1, 1])]);
    assert_eq!(rank, "input 'ids' must be UINT8[-1,-1] (the first dimension is the batch), got UINT8[1,1,1]");
    let shared = message(vec![input("ids", &[1, 2]), input("mask", &[1, 3])]);
    assert_eq!(shared, "dimension 'seq' is 2 in input 'ids' but 3 in input 'mask'");
}

#[test]
fn rows_must_agree_and_stay_within_the_limit() {
    assert!(message(vec![input("ids", &[1, 2]), input("mask", &[2, 2])]).contains("same batch size"));
    assert!(message(vec![input("ids", &[0, 2]), input("mask", &[0, 2])]).contains("at least 1 row"));
    let error = check(vec![input("ids", &[5, 2]), input("mask", &[5, 2])]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooLarge);
}

#[test]
fn outputs_must_be_known_and_unique() {
    let inputs = vec![input("ids", &[1, 2]), input("mask", &[1, 2])];
    let output = |name: &str| RequestedOutput { name: name.into(), classification: None };
    let unknown = InferRequest { inputs: inputs.clone(), outputs: vec![output("z")], ..Default::default() };
    assert!(spec().check(&unknown).unwrap_err().message().contains("unknown output 'z'"));
    let twice = InferRequest { inputs, outputs: vec![output("y"), output("y")], ..Default::default() };
    assert!(spec().check(&twice).unwrap_err().message().contains("requested twice"));
}
