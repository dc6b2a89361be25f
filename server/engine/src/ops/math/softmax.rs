//! `Softmax`, `LogSoftmax`, `Hardmax`: before opset 13 over all dimensions from `axis` on, flattened; since
//! then over one.

use girandole_kernels::{elementwise, isa::Isa};

use crate::{
    error::Result,
    graph::Fact,
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{
            axes::index,
            facts::{Takes, like_first},
            number::{Float, Real},
            parallel::{allocate, fill},
        },
        one,
    },
    value::{ElemType, Tensor, dispatch},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("Softmax", 1, |n| parse(n, Kind::Softmax)),
    OpDef::onnx("LogSoftmax", 1, |n| parse(n, Kind::LogSoftmax)),
    OpDef::onnx("Hardmax", 1, |n| parse(n, Kind::Hardmax)),
];

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Softmax,
    LogSoftmax,
    Hardmax,
}

/// `Softmax` and its like.
#[derive(Debug)]
pub(crate) struct Softmax {
    pub(crate) kind: Kind,
    axis: i64,
    /// Whether the dimensions after the axis belong to it.
    flatten: bool,
}

fn parse(node: &NodeDef<'_>, kind: Kind) -> Result<Box<dyn Op>> {
    let flatten = node.opset() < 13;
    let axis = node.int_or("axis", if flatten { 1 } else { -1 })?;
    boxed(Softmax { kind, axis, flatten })
}

impl Op for Softmax {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        like_first(inputs, Takes::Floats, None)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        if let Some(out) = self.rows(input)? {
            return one(out);
        }
        one(dispatch!(input.elem(), Float, T => self.apply::<T>(input))?)
    }
}

impl Softmax {
    /// The axis of a tensor of `rank` that it goes over; `None` where it goes over several.
    pub(crate) fn only_axis(&self, rank: usize) -> Option<usize> {
        index(self.axis, rank).ok().filter(|axis| !self.flatten || axis + 1 == rank)
    }

    /// Whether it is `Softmax` proper of the last axis of a tensor of `rank`.
    pub(crate) fn is_last_axis(&self, rank: usize) -> bool {
        matches!(self.kind, Kind::Softmax) && index(self.axis, rank).is_ok_and(|axis| axis + 1 == rank)
    }

    /// Elements along the axis, and between neighbours on it.
    pub(crate) fn extent(&self, shape: &[usize]) -> Result<(usize, usize)> {
        if self.flatten {
            // The axis may lie just past the end, where a row is one element.
            let axis = index(self.axis, shape.len() + usize::from(self.axis >= 0))?;
            return Ok((shape[axis..].iter().product(), 1));
        }
        if shape.is_empty() && matches!(self.axis, -1 | 0) {
            return Ok((1, 1));
        }
        let axis = index(self.axis, shape.len())?;
        Ok((shape[axis], shape[axis + 1..].iter().product()))
    }

    /// By the kernel, where rows of `f32` lie side by side.
    fn rows(&self, input: &Tensor) -> Result<Option<Tensor>> {
        let (len, step) = self.extent(input.shape())?;
        if input.elem() != ElemType::F32 || step != 1 || len == 0 {
            return Ok(None);
        }
        let elements = input.view::<f32>()?;
        let out = match self.kind {
            Kind::Softmax => elementwise::softmax(Isa::current(), &elements, len)?,
            Kind::LogSoftmax => elementwise::log_softmax(Isa::current(), &elements, len)?,
            Kind::Hardmax => return Ok(None),
        };
        Tensor::from_vec(input.shape().clone(), out).map(Some)
    }

    fn apply<T: Real>(&self, input: &Tensor) -> Result<Tensor> {
        let (len, step) = self.extent(input.shape())?;
        let elements = input.view::<T>()?;
        let elements: &[T] = &elements;
        let mut out = allocate::<T>(input.shape())?;
        let block = (len * step).max(1);
        fill(&mut out, block, &|start, chunk| {
            let mut line = vec![T::Wide::lit(0.0); len];
            for (from, to) in elements[start..].chunks(block).zip(chunk.chunks_mut(block)) {
                for column in 0..step {
                    let strided = from[column..].iter().step_by(step);
                    line.iter_mut().zip(strided).for_each(|(line, from)| *line = from.widen());
                    self.kind.normalise(&mut line);
                    let strided = to[column..].iter_mut().step_by(step);
                    strided.zip(&line).for_each(|(to, &line)| *to = T::narrow(line));
                }
            }
        });
        Tensor::from_vec(input.shape().clone(), out)
    }
}

impl Kind {
    fn normalise<F: Float>(self, line: &mut [F]) {
        let max = line.iter().fold(F::neg_infinity(), |max, &x| if x > max { x } else { max });
        match self {
            Self::Softmax => {
                line.iter_mut().for_each(|x| *x = (*x - max).exp_fast());
                let scale = sum(line).recip();
                line.iter_mut().for_each(|x| *x = *x * scale);
            }
            Self::LogSoftmax => {
                let exponentials: Vec<F> = line.iter().map(|&x| (x - max).exp_fast()).collect();
                let log = sum(&exponentials).ln();
                line.iter_mut().for_each(|x| *x = *x - max - log);
            }
            Self::Hardmax => {
                let first = line.iter().position(|&x| x == max);
                let one = |i| if Some(i) == first { F::lit(1.0) } else { F::lit(0.0) };
                line.iter_mut().enumerate().for_each(|(i, x)| *x = one(i));
            }
        }
    }
}

/// The sum by several partial sums, which vectorises and rounds less.
fn sum<F: Float>(line: &[F]) -> F {
    let mut lanes = [F::lit(0.0); 16];
    for chunk in line.chunks(lanes.len()) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = *lane + x);
    }
    lanes.into_iter().fold(F::lit(0.0), |sum, lane| sum + lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(op: &Softmax, shape: &[usize], data: Vec<f32>) -> Vec<f32> {
        op.apply::<f32>(&Tensor::from_vec(shape, data).unwrap()).unwrap().to_vec().unwrap()
    }

    #[test]
    fn the_old_form_flattens_and_the_new_one_does_not() {
        let data = vec![1.0; 8];
        let old = Softmax { kind: Kind::Softmax, axis: 1, flatten: true };
        assert_eq!(run(&old, &[2, 2, 2], data.clone()), [0.25; 8]);
        let new = Softmax { flatten: false, ..old };
        assert_eq!(run(&new, &[2, 2, 2], data), [0.5; 8]);
    }

    #[test]
    fn large_and_absent_elements_are_no_nan() {
        let softmax = Softmax { kind: Kind::Softmax, axis: -1, flatten: false };
        assert_eq!(run(&softmax, &[2], vec![1e30, f32::NEG_INFINITY]), [1.0, 0.0]);
        assert_eq!(run(&softmax, &[2, 0], vec![]), Vec::<f32>::new());
        let hardmax = Softmax { kind: Kind::Hardmax, axis: 0, flatten: false };
        assert_eq!(run(&hardmax, &[2, 2], vec![1.0, 4.0, 3.0, 4.0]), [0.0, 1.0, 1.0, 0.0]);
    }
}
