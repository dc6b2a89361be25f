//! `Mod`: the sign of the divisor for integers, or with `fmod` that of the dividend.

use super::arithmetic::check_divisor;
use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            broadcast::zip,
            facts::{Takes, broadcast_all},
            number::Number,
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[OpDef::onnx("Mod", 10, |n| boxed(Mod { fmod: n.flag("fmod", false)? }))];

#[derive(Clone, Copy, Debug)]
struct Mod {
    fmod: bool,
}

impl Op for Mod {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        inputs.elem(0).map_or(Ok(()), |elem| self.check(elem))?;
        broadcast_all(inputs, Takes::Numbers, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        self.check(a.elem())?;
        one(dispatch!(a.elem(), Number, T => self.apply::<T>(a, b))?)
    }
}

impl Mod {
    fn check(self, elem: ElemType) -> Result<()> {
        if elem.is_float() && !self.fmod {
            return Err(OpError::invalid(format!("Mod of {elem} needs the attribute fmod=1")));
        }
        Ok(())
    }

    fn apply<T: Number>(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_divisor::<T>(b)?;
        if self.fmod {
            zip::<T, T, T>(a, b, |&a, &b| a.rem(b))
        } else {
            zip::<T, T, T>(a, b, |&a, &b| a.modulo(b))
        }
    }
}
