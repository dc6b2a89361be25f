//! The loop and the operator of functions of one real number, computed in f32 or f64.

use std::fmt::Debug;

use girandole_kernels::{isa::Isa, math as kernel};

use crate::{
    error::Result,
    graph::Fact,
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        math::{
            facts::{Takes, like_first},
            number::{Float, Number},
            parallel::map,
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

/// A function of a real number.
pub(crate) trait Function: Copy + Debug + Send + Sync + 'static {
    /// Its value at `x`.
    fn at<F: Float>(self, x: F) -> F;

    /// The kernel that computes it for f32, where there is one.
    fn kernel(self) -> Option<kernel::Function> {
        None
    }
}

/// The operator that applies a function to each element.
#[derive(Debug)]
pub(crate) struct Each<F>(pub(crate) F);

impl<F: Function> Op for Each<F> {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        like_first(inputs, Takes::Floats, None)
    }

    fn is_pointwise(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        match self.0.kernel() {
            Some(function) if input.elem() == ElemType::F32 => one(apply_kernel(input, function)?),
            _ => one(apply(input, self.0)?),
        }
    }

    fn function(&self) -> Option<kernel::Function> {
        self.0.kernel()
    }
}

/// A kernel's function of each f32.
///
/// # Errors
/// `Invalid` for another type of element.
pub(crate) fn apply_kernel(input: &Tensor, function: kernel::Function) -> Result<Tensor> {
    let numbers = input.view::<f32>()?;
    Tensor::from_vec(input.shape().clone(), function.map(Isa::current(), &numbers))
}

fn apply<F: Function>(input: &Tensor, function: F) -> Result<Tensor> {
    dispatch!(input.elem(), Float, T => map::<T, T>(input, |&x| T::narrow(function.at(x.widen()))))
}

/// Functions without attributes: `Name(since) |x| value`, each a type, and the table of all. A kernel that
/// computes it for f32 comes after the version: `Name(since, kernel)`.
macro_rules! functions {
    ($($name:ident($since:literal $(, $kernel:expr)?) |$x:ident| $value:expr;)*) => {
        pub(crate) const OPS: &[$crate::ops::OpDef] = &[$(
            $crate::ops::OpDef::onnx(stringify!($name), $since, |_| {
                $crate::ops::boxed($crate::ops::math::unary::function::Each($name))
            }),
        )*];
        $(
            /// The function of this name.
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $name;

            impl $crate::ops::math::unary::function::Function for $name {
                #[inline(always)]
                fn at<F: $crate::ops::math::number::Float>(self, $x: F) -> F {
                    $value
                }
                $(
                    fn kernel(self) -> Option<girandole_kernels::math::Function> {
                        Some($kernel)
                    }
                )?
            }
        )*
    };
}

pub(super) use functions;
