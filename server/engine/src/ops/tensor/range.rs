//! `Range`, since opset 11: numbers from a start up or down to a limit, which is left out.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Element, Tensor, checked_len},
};

use super::shapes::{contents, one_fact};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Range", 11, |_| boxed(Range))];

#[derive(Debug)]
pub(crate) struct Range;

impl Op for Range {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let scalar = |i| contents(inputs.get(i)).and_then(|dims| dims.first().cloned());
        // The range from 0 in steps of 1 is as long as its limit says, symbol or not.
        let len = match (scalar(0), scalar(1), scalar(2)) {
            (Some(SymDim::Known(0)), Some(limit), Some(SymDim::Known(1))) => limit,
            _ => SymDim::Unknown,
        };
        one_fact(inputs.elem(0), Some(vec![len]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        match inputs.tensor(0)?.elem() {
            ElemType::F32 => range(&inputs, f64::from, |a: f32, b| a + b),
            ElemType::F64 => range(&inputs, |v| v, |a: f64, b| a + b),
            ElemType::I16 => range(&inputs, f64::from, i16::wrapping_add),
            ElemType::I32 => range(&inputs, f64::from, i32::wrapping_add),
            #[allow(clippy::cast_precision_loss)]
            ElemType::I64 => range(&inputs, |v| v as f64, i64::wrapping_add),
            other => Err(OpError::unsupported(format!("a range of {other} is not supported"))),
        }
        .and_then(one)
    }
}

fn range<T: Element + Copy>(
    inputs: &Inputs,
    float: impl Fn(T) -> f64,
    add: impl Fn(T, T) -> T,
) -> Result<Tensor> {
    let [start, limit, delta] = [0, 1, 2].map(|i| inputs.tensor(i).and_then(Tensor::to_scalar::<T>));
    let (start, delta) = (start?, delta?);
    let len = length(float(start), float(limit?), float(delta))?;
    checked_len::<T>(&[len])?;
    let numbers = std::iter::successors(Some(start), |&last| Some(add(last, delta)));
    Tensor::from_vec(vec![len], numbers.take(len).collect())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn length(start: f64, limit: f64, delta: f64) -> Result<usize> {
    let len = ((limit - start) / delta).ceil();
    if delta == 0.0 || len.is_nan() {
        return Err(OpError::invalid(format!(
            "a range from {start} to {limit} in steps of {delta} has no end"
        )));
    }
    Ok(len.max(0.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_left_out() {
        assert_eq!(length(0.0, 5.0, 2.0).unwrap(), 3);
        assert_eq!(length(10.0, 4.0, -2.0).unwrap(), 3);
        assert_eq!(length(0.0, -5.0, 1.0).unwrap(), 0);
        assert!(length(0.0, 1.0, 0.0).is_err());
        assert!(checked_len::<f32>(&[length(0.0, f64::INFINITY, 1.0).unwrap()]).is_err());
    }
}
