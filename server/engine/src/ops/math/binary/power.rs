//! `Pow`: the base's type, whatever the exponent's. Floats of one type compute in it, everything else in f64.

use super::legacy;
use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_shapes},
            number::{Number, Real},
            parallel::map,
        },
        one,
    },
    value::{Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("Pow", 1, |n| legacy::aligned(n, Pow))];

/// `Pow`.
#[derive(Debug)]
pub(crate) struct Pow;

impl Op for Pow {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        for elem in [inputs.elem(0), inputs.elem(1)].into_iter().flatten() {
            Takes::Numbers.check(elem)?;
        }
        Ok(vec![Fact::tensor(inputs.elem(0), broadcast_shapes(inputs)?)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (base, exponent) = (inputs.tensor(0)?, inputs.tensor(1)?);
        if base.elem() == exponent.elem() && base.elem().is_float() {
            return one(dispatch!(base.elem(), Float, T => same::<T>(base, exponent))?);
        }
        let exponent = dispatch!(exponent.elem(), Number, T => map::<T, f64>(exponent, |&v| v.to_f64()))?;
        one(dispatch!(base.elem(), Number, T => zip::<T, f64, T>(base, &exponent, |&a, &b| {
            T::from_f64(a.to_f64().powf(b))
        }))?)
    }
}

fn same<T: Real>(base: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    // Squares and cubes are what models mostly ask for.
    let constant = if exponent.len() == 1 && exponent.rank() <= base.rank() {
        Some(exponent.reshape(Vec::new())?.to_scalar::<T>()?.to_f64())
    } else {
        None
    };
    match constant {
        Some(2.0) => map::<T, T>(base, |&x| x.mul(x)),
        Some(3.0) => map::<T, T>(base, |&x| T::narrow(x.widen() * x.widen() * x.widen())),
        _ => zip::<T, T, T>(base, exponent, |a, b| T::narrow(num_traits::Float::powf(a.widen(), b.widen()))),
    }
}
