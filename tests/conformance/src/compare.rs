//! Compares an output with the expected one: exactly for integers, booleans and strings, within relative
//! 1e-3 and absolute 1e-5 for floats (f16 and bf16 within what their precision allows).

use girandole_engine::value::{ElemType, Tensor, Value};

use crate::case::Failure;

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The type or the shape.
    Kind(String),
    /// An element.
    Element(String),
}

impl Difference {
    /// As the failure of a case, in its output of this number.
    pub fn of(self, output: usize) -> Failure {
        match self {
            Self::Kind(message) => Failure::Mistyped(format!("output {output}: {message}")),
            Self::Element(message) => Failure::Wrong(format!("output {output}: {message}")),
        }
    }
}

/// `Err` says what differs.
///
/// # Errors
/// What differs.
pub fn compare(came: &Value, expected: &Value) -> Result<(), Difference> {
    match (came, expected) {
        (Value::Tensor(came), Value::Tensor(expected)) => tensors(came, expected),
        (Value::Sequence(came), Value::Sequence(expected)) if came.len() == expected.len() => {
            came.iter().zip(expected.iter()).try_for_each(|(came, expected)| compare(came, expected))
        }
        (Value::Optional(None), Value::Optional(None)) => Ok(()),
        (Value::Optional(Some(came)), Value::Optional(Some(expected))) => compare(came, expected),
        _ => Err(Difference::Kind(format!("{came:?}, expected {expected:?}"))),
    }
}

fn tensors(came: &Tensor, expected: &Tensor) -> Result<(), Difference> {
    if came.elem() != expected.elem() || came.shape() != expected.shape() {
        return Err(Difference::Kind(format!("{came:?}, expected {expected:?}")));
    }
    elements(came, expected).map_err(Difference::Element)
}

fn elements(came: &Tensor, expected: &Tensor) -> Result<(), String> {
    let (rtol, atol) = match came.elem() {
        ElemType::F16 => (2e-3, 1e-3),
        ElemType::BF16 => (1e-2, 1e-2),
        ElemType::F32 | ElemType::F64 => (1e-3, 1e-5),
        _ => return exact(came, expected),
    };
    let (came, expected) = (floats(came)?, floats(expected)?);
    let differs = |(a, b): (&f64, &f64)| !close(*a, *b, rtol, atol);
    match came.iter().zip(&expected).position(differs) {
        Some(i) => Err(format!("element {i} is {}, expected {}", came[i], expected[i])),
        None => Ok(()),
    }
}

fn close(came: f64, expected: f64, rtol: f64, atol: f64) -> bool {
    came == expected
        || (came.is_nan() && expected.is_nan())
        || (came - expected).abs() <= atol + rtol * expected.abs()
}

fn floats(tensor: &Tensor) -> Result<Vec<f64>, String> {
    let floats = match tensor.elem() {
        ElemType::F16 => tensor.view::<half::f16>().map(|v| v.iter().map(|v| v.to_f64()).collect()),
        ElemType::BF16 => tensor.view::<half::bf16>().map(|v| v.iter().map(|v| v.to_f64()).collect()),
        ElemType::F32 => tensor.view::<f32>().map(|v| v.iter().map(|&v| f64::from(v)).collect()),
        _ => tensor.to_vec::<f64>(),
    };
    floats.map_err(|error| error.to_string())
}

fn exact(came: &Tensor, expected: &Tensor) -> Result<(), String> {
    let wire = |tensor| girandole_engine::value::to_wire(tensor).map_err(|error| error.to_string());
    if wire(came)?.data() == wire(expected)?.data() {
        Ok(())
    } else {
        Err(format!("{came:?} differs in its elements"))
    }
}
