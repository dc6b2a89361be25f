//! The types that floating-point kernels compute in.

use num_traits::{Float, NumAssign};

use super::squash;
use crate::value::Element;

/// `f32` or `f64`.
pub(crate) trait Real: Element + Float + NumAssign + std::iter::Sum + std::fmt::Debug {
    /// The nearest value to `value`.
    fn of(value: f64) -> Self;

    /// The nearest value to a count.
    fn count(value: usize) -> Self {
        Self::of(value as f64)
    }

    /// `1 / (1 + exp(-x))`.
    fn sigmoid(self) -> Self;

    /// The hyperbolic tangent, quickly.
    fn squash(self) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as Self
    }

    fn sigmoid(self) -> Self {
        squash::sigmoid(self)
    }

    fn squash(self) -> Self {
        squash::tanh(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn sigmoid(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }

    fn squash(self) -> Self {
        self.tanh()
    }
}

/// The sum of `of` each value, in lanes, so that it is quick and its rounding errors do not pile up.
pub(crate) fn sum<T: Real>(values: &[T], of: impl Fn(T) -> T) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::zero(); LANES];
    let mut blocks = values.chunks_exact(LANES);
    for block in &mut blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, &value)| *lane += of(value));
    }
    let rest: T = blocks.remainder().iter().map(|&value| of(value)).sum();
    lanes.into_iter().sum::<T>() + rest
}
