//! Mathematical functions of many numbers: over slices, and in registers for the epilogues of kernels.
//!
//! Accuracy against the exact value, in units in the last place of an f32: exp, tanh, erf, sigmoid, softplus
//! and the smooth activations within 4 over the whole range, of results below 3e-36 within 4 of that size's;
//! the tests sweep it. NaN gives NaN, infinities their limits.

mod erf;
mod exp;
mod gelu;
mod tanh;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

pub(crate) use exp::{exp, sigmoid};
pub(crate) use tanh::tanh;

use crate::{
    buffer,
    isa::Isa,
    pool,
    simd::{Kernel, Simd, Spans, dispatch},
};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// e^x.
    Exp,
    /// The hyperbolic tangent.
    Tanh,
    /// The error function.
    Erf,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// ln(1 + e^x).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// x Phi(x), Phi being the normal distribution: <https://arxiv.org/abs/1606.08415>.
    Gelu,
    /// GELU's approximation by tanh, of the same paper.
    GeluTanh,
    /// x sigmoid(`scale` x): SiLU, or Swish, with scale 1; the sigmoid approximation of GELU with 1.702.
    Silu {
        /// Scales the sigmoid's argument.
        scale: f32,
    },
    /// x tanh(softplus(x)): <https://arxiv.org/abs/1908.08681>.
    Mish,
    /// x clip(x / 6 + 1/2, 0, 1): <https://arxiv.org/abs/1905.02244>.
    HardSwish,
    /// clip(`slope` x + `offset`, 0, 1).
    HardSigmoid {
        /// The slope between the ends.
        slope: f32,
        /// The value at 0.
        offset: f32,
    },
    /// x where it is positive, else `slope` x.
    LeakyRelu {
        /// The slope below 0.
        slope: f32,
    },
    /// x where it is positive, else `scale` (e^x - 1).
    Elu {
        /// The limit's magnitude below 0.
        scale: f32,
    },
    /// x within bounds; the bounds of ReLU are 0 and infinity.
    Clip {
        /// The least.
        low: f32,
        /// The greatest.
        high: f32,
    },
}

impl Function {
    /// max(x, 0).
    pub const RELU: Self = Self::Clip { low: 0.0, high: f32::INFINITY };

    /// Replaces each element by the function's value, on the calling thread.
    pub fn apply(self, isa: Isa, numbers: &mut [f32]) {
        let at = numbers.as_mut_ptr();
        dispatch(isa, Sweep { function: self, from: at, to: at, len: numbers.len() });
    }

    /// The function of each element, on the pool's threads where there are many.
    pub fn map(self, isa: Isa, numbers: &[f32]) -> Vec<f32> {
        /// The fewest elements for which a task is worth its hand-over.
        const LEAST: usize = 8 << 10;
        let chunk = LEAST.max(numbers.len().div_ceil(2 * pool::threads()));
        let fill = |begin: usize, to: &mut [MaybeUninit<f32>]| {
            let from = numbers[begin..begin + to.len()].as_ptr();
            dispatch(isa, Sweep { function: self, from, to: to.as_mut_ptr().cast(), len: to.len() });
        };
        // SAFETY: a sweep writes all of its `len` elements.
        unsafe { buffer::filled_by_chunks(numbers.len(), chunk, &fill) }
    }
}

/// One function over `len` elements, in place or from one slice to another.
struct Sweep {
    function: Function,
    from: *const f32,
    to: *mut f32,
    len: usize,
}

impl Kernel for Sweep {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        /// The loop with one function; no closure, for which see [`crate::simd`].
        macro_rules! each {
            ($v:ident => $value:expr) => {
                for (i, left) in Spans::of(s, self.len) {
                    // SAFETY: `from` and `to` are slices of `len` elements, of which these are within.
                    unsafe {
                        let $v = s.load_part(self.from.wrapping_add(i), left);
                        s.store_part(self.to.wrapping_add(i), left, $value);
                    }
                }
            };
        }
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        match self.function {
            Function::Exp => each!(v => exp(s, v)),
            Function::Tanh => each!(v => tanh(s, v)),
            Function::Erf => each!(v => erf::erf(s, v)),
            Function::Sigmoid => each!(v => sigmoid(s, v)),
            Function::Softplus => each!(v => exp::softplus(s, v)),
            Function::Softsign => each!(v => s.div(v, s.add(one, s.abs(v)))),
            Function::Gelu => each!(v => gelu::gelu(s, v)),
            Function::GeluTanh => each!(v => gelu::gelu_tanh(s, v)),
            Function::Silu { scale } => each!(v => exp::silu(s, v, s.splat(scale))),
            Function::Mish => each!(v => exp::mish(s, v)),
            Function::HardSwish => each!(v => s.mul(v, hard_sigmoid(s, v, 1.0 / 6.0, 0.5))),
            Function::HardSigmoid { slope, offset } => each!(v => hard_sigmoid(s, v, slope, offset)),
            Function::LeakyRelu { slope } => each!(v => s.where_less(v, zero, s.mul(v, s.splat(slope)), v)),
            Function::Elu { scale } => {
                each!(v => s.where_less(v, zero, s.mul(exp::exp_minus_1(s, v), s.splat(scale)), v));
            }
            Function::Clip { low, high } => each!(v => clip(s, v, s.splat(low), s.splat(high))),
        }
    }
}

/// `v` within bounds.
#[inline(always)]
pub(crate) fn clip<S: Simd>(s: S, v: S::V, low: S::V, high: S::V) -> S::V {
    s.min(high, s.max(low, v))
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(s: S, v: S::V, slope: f32, offset: f32) -> S::V {
    clip(s, s.fma(v, s.splat(slope), s.splat(offset)), s.splat(0.0), s.splat(1.0))
}

/// The polynomial of these coefficients, the highest power's first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::V, coefficients: [f32; N]) -> S::V {
    let mut sum = s.splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = s.fma(sum, x, s.splat(coefficient));
    }
    sum
}
