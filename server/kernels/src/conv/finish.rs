//! What happens to a convolution's sums before they are stored.

use crate::{
    isa::Isa,
    math::{Function, clip, sigmoid},
    simd::{Kernel, Simd, dispatch},
};

/// `scale * function(x) + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finish {
    function: Option<Function>,
    scale: f32,
    shift: f32,
}

/// What is done to sums that are still in registers: the commonest functions, each a few instructions.
#[derive(Clone, Copy)]
pub(crate) enum Early {
    Bounds { low: f32, high: f32 },
    HardSwish,
}

impl Early {
    const NOTHING: Self = Self::Bounds { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// Of some vectors. A NaN stays one.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, sums: &mut [S::V]) {
        match self {
            Self::Bounds { low, high } => {
                let (low, high) = (s.splat(low), s.splat(high));
                for sum in sums {
                    *sum = clip(s, *sum, low, high);
                }
            }
            Self::HardSwish => {
                for sum in sums {
                    *sum = hard_swish(s, *sum);
                }
            }
        }
    }
}

impl Finish {
    /// Nothing happens.
    pub const NONE: Self = Self { function: None, scale: 1.0, shift: 0.0 };

    /// The function alone; `None` for one that is not cheap enough.
    pub fn of(function: Function) -> Option<Self> {
        use Function as F;
        let cheap = matches!(
            function,
            F::Clip { .. }
                | F::LeakyRelu { .. }
                | F::HardSigmoid { .. }
                | F::HardSwish
                | F::Sigmoid
                | F::Silu { .. }
        );
        cheap.then_some(Self { function: Some(function), ..Self::NONE })
    }

    /// Its results times `scale`, plus `shift`.
    #[must_use]
    pub fn then(self, scale: f32, shift: f32) -> Self {
        Self { scale: self.scale * scale, shift: self.shift * scale + shift, ..self }
    }

    /// What is done in registers, and whether [`Self::rows`] is left to do.
    pub(crate) fn in_registers(self) -> (Early, bool) {
        let early = self.early();
        (early.unwrap_or(Early::NOTHING), early.is_none())
    }

    /// What is done in registers, where that is all there is.
    fn early(self) -> Option<Early> {
        match self.function {
            _ if self.scale != 1.0 || self.shift != 0.0 => None,
            None => Some(Early::NOTHING),
            Some(Function::Clip { low, high }) => Some(Early::Bounds { low, high }),
            Some(Function::HardSwish) => Some(Early::HardSwish),
            Some(_) => None,
        }
    }

    /// Of every number of a slice, on the calling thread.
    pub fn each(self, isa: Isa, numbers: &mut [f32]) {
        let (to, columns) = (numbers.as_mut_ptr(), numbers.len());
        // SAFETY: the slice is one row of all its numbers.
        unsafe { self.rows(isa, to, (1, 0), columns) }
    }

    /// Of `columns` numbers of each of some rows, given as their count and the floats from one to the next.
    /// Kernels call it for what they have just stored and bounds are not all: so the functions' code is not
    /// in every one of their loops.
    ///
    /// # Safety
    /// The numbers may be read and written, by nobody else meanwhile.
    pub(crate) unsafe fn rows(self, isa: Isa, to: *mut f32, (rows, step): (usize, usize), columns: usize) {
        dispatch(isa, Again { finish: self, to, rows, step, columns });
    }

    /// Of a vector. A NaN stays one.
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::V) -> S::V {
        let made = match self.function {
            Some(function) => apply(s, function, x),
            None => x,
        };
        if self.scale == 1.0 && self.shift == 0.0 {
            return made;
        }
        s.fma(made, s.splat(self.scale), s.splat(self.shift))
    }
}

/// Of the functions that [`Finish::of`] takes.
#[inline(always)]
fn apply<S: Simd>(s: S, function: Function, x: S::V) -> S::V {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    match function {
        Function::Clip { low, high } => clip(s, x, s.splat(low), s.splat(high)),
        Function::LeakyRelu { slope } => s.where_less(x, zero, s.mul(x, s.splat(slope)), x),
        Function::HardSigmoid { slope, offset } => {
            clip(s, s.fma(x, s.splat(slope), s.splat(offset)), zero, one)
        }
        Function::HardSwish => hard_swish(s, x),
        Function::Sigmoid => sigmoid(s, x),
        Function::Silu { scale } => s.mul(x, sigmoid(s, s.mul(x, s.splat(scale)))),
        _ => x,
    }
}

#[inline(always)]
fn hard_swish<S: Simd>(s: S, x: S::V) -> S::V {
    let gate = s.fma(x, s.splat(1.0 / 6.0), s.splat(0.5));
    s.mul(x, clip(s, gate, s.splat(0.0), s.splat(1.0)))
}

struct Again {
    finish: Finish,
    to: *mut f32,
    rows: usize,
    step: usize,
    columns: usize,
}

impl Kernel for Again {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for row in 0..self.rows {
            let mut at = 0;
            while at < self.columns {
                // SAFETY: whoever made this promises the numbers, of which these are not beyond the last.
                unsafe {
                    let (to, part) = (self.to.add(row * self.step + at), self.columns - at);
                    s.store_part(to, part, self.finish.apply(s, s.load_part(to, part)));
                }
                at += S::LANES;
            }
        }
    }
}

#[cfg(test)]
impl Finish {
    /// In f64, of every function that a finish takes.
    pub(crate) fn exact(self, x: f64) -> f64 {
        let of = f64::from;
        let y = match self.function {
            Some(Function::Clip { low, high }) => x.clamp(of(low), of(high)),
            Some(Function::LeakyRelu { slope }) => x * if x < 0.0 { of(slope) } else { 1.0 },
            Some(Function::HardSigmoid { slope, offset }) => (of(slope) * x + of(offset)).clamp(0.0, 1.0),
            Some(Function::HardSwish) => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Some(Function::Sigmoid) => 1.0 / (1.0 + (-x).exp()),
            Some(Function::Silu { scale }) => x / (1.0 + (-x * of(scale)).exp()),
            _ => x,
        };
        y * of(self.scale) + of(self.shift)
    }
}
