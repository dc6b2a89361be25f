//! Functions that integers have too: `Abs`, `Neg`, `Sign`, `Relu`, `Shrink`.

use girandole_kernels::math::Function;

use super::function::apply_kernel;
use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            facts::{Takes, like_first},
            number::Number,
            parallel::map,
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Abs", 1, |_| boxed(Integral::Abs)),
    OpDef::onnx("Neg", 1, |_| boxed(Integral::Neg)),
    OpDef::onnx("Sign", 9, |_| boxed(Integral::Sign)),
    OpDef::onnx("Relu", 1, |_| boxed(Integral::Relu)),
    OpDef::onnx("Shrink", 9, |n| {
        boxed(Integral::Shrink { bias: n.float_or("bias", 0.0)?, lambd: n.float_or("lambd", 0.5)? })
    }),
];

/// The function.
#[derive(Debug)]
pub(crate) enum Integral {
    Abs,
    Neg,
    Sign,
    Relu,
    /// Towards zero by `bias` outside of `-lambd..=lambd`, and zero inside.
    Shrink {
        bias: f32,
        lambd: f32,
    },
}

impl Op for Integral {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        like_first(inputs, Takes::Numbers, None)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        if let (Some(function), ElemType::F32) = (self.function(), input.elem()) {
            return one(apply_kernel(input, function)?);
        }
        one(dispatch!(input.elem(), Number, T => self.apply::<T>(input))?)
    }

    fn function(&self) -> Option<Function> {
        matches!(self, Self::Relu).then_some(Function::RELU)
    }
}

impl Integral {
    fn apply<T: Number>(&self, input: &Tensor) -> Result<Tensor> {
        match *self {
            Self::Abs => map::<T, T>(input, |x| x.abs()),
            Self::Neg => map::<T, T>(input, |x| x.neg()),
            Self::Sign => map::<T, T>(input, |x| x.sign()),
            Self::Relu => map::<T, T>(input, |&x| if x < T::ZERO { T::ZERO } else { x }),
            Self::Shrink { bias, lambd } => {
                let (bias, lambd) = (f64::from(bias), f64::from(lambd));
                map::<T, T>(input, |x| T::from_f64(shrink(x.to_f64(), bias, lambd)))
            }
        }
    }
}

fn shrink(x: f64, bias: f64, lambd: f64) -> f64 {
    if x < -lambd {
        x + bias
    } else if x > lambd {
        x - bias
    } else {
        0.0
    }
}
