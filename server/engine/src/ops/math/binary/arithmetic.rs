//! `Add`, `Sub`, `Mul`, `Div`. Since opset 1; broadcasting as numpy's since 7.

use super::legacy;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
            number::Number,
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Add", 1, |n| legacy::aligned(n, Arithmetic::Add)),
    OpDef::onnx("Sub", 1, |n| legacy::aligned(n, Arithmetic::Sub)),
    OpDef::onnx("Mul", 1, |n| legacy::aligned(n, Arithmetic::Mul)),
    OpDef::onnx("Div", 1, |n| legacy::aligned(n, Arithmetic::Div)),
];

/// The operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

impl Op for Arithmetic {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let mut facts = broadcast_all(inputs, Takes::Numbers, None)?;
        if let (Some(fact), Some(a), Some(b)) = (facts.first_mut(), dims(inputs, 0), dims(inputs, 1)) {
            fact.dims = self.dims(a, b);
        }
        Ok(facts)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(dispatch!(a.elem(), Number, T => self.apply::<T>(a, b))?)
    }
}

impl Arithmetic {
    fn apply<T: Number>(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Self::Add => zip::<T, T, T>(a, b, |&a, &b| a.add(b)),
            Self::Sub => zip::<T, T, T>(a, b, |&a, &b| a.sub(b)),
            Self::Mul => zip::<T, T, T>(a, b, |&a, &b| a.mul(b)),
            Self::Div => {
                check_divisor::<T>(b)?;
                zip::<T, T, T>(a, b, |&a, &b| a.div(b))
            }
        }
    }

    /// The operator on contents that describe shapes.
    fn dims(self, a: &SymShape, b: &SymShape) -> Option<SymShape> {
        let len = if a.len() == 1 { b.len() } else { a.len() };
        if b.len() != len && b.len() != 1 {
            return None;
        }
        let at = |dims: &SymShape, i: usize| dims.get(if dims.len() == 1 { 0 } else { i }).cloned();
        (0..len).map(|i| Some(self.dim(at(a, i)?, at(b, i)?))).collect()
    }

    fn dim(self, a: SymDim, b: SymDim) -> SymDim {
        match (self, a, b) {
            (_, SymDim::Known(a), SymDim::Known(b)) => {
                let size = match self {
                    Self::Add => a.checked_add(b),
                    Self::Sub => a.checked_sub(b),
                    Self::Mul => a.checked_mul(b),
                    Self::Div => a.checked_div(b),
                };
                size.map_or(SymDim::Unknown, SymDim::Known)
            }
            (Self::Add, SymDim::Known(0), other)
            | (Self::Add | Self::Sub, other, SymDim::Known(0))
            | (Self::Mul, SymDim::Known(1), other)
            | (Self::Mul | Self::Div, other, SymDim::Known(1)) => other,
            _ => SymDim::Unknown,
        }
    }
}

/// # Errors
/// `Invalid` for an integer divisor that holds 0.
pub(super) fn check_divisor<T: Number>(divisor: &Tensor) -> Result<()> {
    if T::IS_INT && divisor.view::<T>()?.contains(&T::ZERO) {
        return Err(OpError::invalid("an integer is divided by 0"));
    }
    Ok(())
}

fn dims<'a>(inputs: &Facts<'a>, i: usize) -> Option<&'a SymShape> {
    inputs.get(i)?.dims.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_arithmetic_keeps_symbols_where_it_can() {
        let n = || SymDim::Symbol("n".into());
        let (known, unknown) = (SymDim::Known, SymDim::Unknown);
        for (op, a, b, expected) in [
            (Arithmetic::Mul, vec![n(), known(4)], vec![known(1), known(3)], vec![n(), known(12)]),
            (Arithmetic::Div, vec![known(7)], vec![known(2)], vec![known(3)]),
            (Arithmetic::Div, vec![known(7)], vec![known(0)], vec![unknown.clone()]),
            (Arithmetic::Sub, vec![known(1)], vec![known(2)], vec![unknown.clone()]),
            (Arithmetic::Add, vec![n(), known(1)], vec![known(2)], vec![unknown, known(3)]),
        ] {
            assert_eq!(op.dims(&a, &b), Some(expected), "{op:?} {a:?} {b:?}");
        }
    }

    #[test]
    fn an_integer_division_by_zero_is_an_error() {
        let tensor = |data: Vec<i32>| Tensor::from_vec(vec![data.len()], data).unwrap();
        let error = Arithmetic::Div.apply::<i32>(&tensor(vec![1, 2]), &tensor(vec![1, 0])).unwrap_err();
        assert!(error.to_string().contains("divided by 0"));
        let quotient = Arithmetic::Div.apply::<i32>(&tensor(vec![-7, 7]), &tensor(vec![2])).unwrap();
        assert_eq!(quotient.to_vec::<i32>().unwrap(), [-3, 3]);
    }
}
