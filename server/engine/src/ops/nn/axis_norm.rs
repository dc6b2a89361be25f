//! Normalisation along axes, without parameters: `LpNormalization` (since opset 1) to a norm of 1 along one
//! axis, and `MeanVarianceNormalization` (since 9) to mean 0 and variance 1 over several.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    broadcast::places,
    layer_norm::axis_of,
    real::{self, elements, real},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("LpNormalization", 1, parse_norm),
    OpDef::onnx("MeanVarianceNormalization", 9, |node| {
        boxed(AxisNorm { axes: node.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]), kind: Kind::Moments })
    }),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The sum of absolute values becomes 1; zeros stay.
    L1,
    /// The sum of squares becomes 1; zeros stay.
    L2,
    /// The mean becomes 0 and the variance 1.
    Moments,
}

#[derive(Debug)]
struct AxisNorm {
    axes: Vec<i64>,
    kind: Kind,
}

fn parse_norm(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let kind = match node.int_or("p", 2)? {
        1 => Kind::L1,
        2 => Kind::L2,
        other => return Err(OpError::invalid(format!("attribute 'p' must be 1 or 2, got {other}"))),
    };
    boxed(AxisNorm { axes: vec![node.int_or("axis", -1)?], kind })
}

/// What the elements of one group share.
#[derive(Clone, Copy, Default)]
struct Group<T> {
    sum: T,
    squares: T,
}

impl Kind {
    /// What an element of a group of `count` becomes.
    fn normalise<T: Real>(self, value: T, group: Group<T>, count: T) -> T {
        let divided = |norm: T| if norm > T::zero() { value / norm } else { value };
        match self {
            Self::L1 => divided(group.sum),
            Self::L2 => divided(group.squares.sqrt()),
            Self::Moments => {
                // The reference function adds this to the deviation, not to the variance.
                let least = T::of(1e-9);
                value / ((group.squares / count).sqrt() + least)
            }
        }
    }
}

impl AxisNorm {
    fn run<T: Real>(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        checked_len::<T>(shape)?;
        // The stride of a group's number along each axis: 0 along those that it spans.
        let mut strides: Vec<usize> = vec![1; shape.len()];
        self.axes.iter().try_for_each(|&axis| axis_of(axis, shape.len()).map(|axis| strides[axis] = 0))?;
        let mut groups = 1;
        for (stride, &dim) in strides.iter_mut().zip(shape.iter()).rev().filter(|(stride, _)| **stride != 0) {
            *stride = groups;
            groups *= dim.max(1);
        }
        let mut values = elements::<T>(input)?.to_vec();
        let count = T::count(values.len()) / T::count(groups);
        if matches!(self.kind, Kind::Moments) {
            let sums = self.groups(&values, shape, &strides, groups);
            let centred = values.iter_mut().zip(places(shape, &strides));
            centred.for_each(|(v, group)| *v -= sums[group].sum / count);
        }
        let groups = self.groups(&values, shape, &strides, groups);
        let each = values.iter_mut().zip(places(shape, &strides));
        each.for_each(|(v, group)| *v = self.kind.normalise(*v, groups[group], count));
        real::tensor(input.elem(), shape, values)
    }

    fn groups<T: Real>(
        &self,
        values: &[T],
        shape: &[usize],
        strides: &[usize],
        count: usize,
    ) -> Vec<Group<T>> {
        let mut groups = vec![Group::default(); count];
        for (&value, group) in values.iter().zip(places(shape, strides)) {
            let group = &mut groups[group];
            group.sum += if matches!(self.kind, Kind::L1) { value.abs() } else { value };
            group.squares += value * value;
        }
        groups
    }
}

impl Op for AxisNorm {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        if let Some(rank) = inputs.get(0).and_then(Fact::rank) {
            self.axes.iter().try_for_each(|&axis| axis_of(axis, rank).map(drop))?;
        }
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(real!(input.elem(), T => self.run::<T>(input))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: Kind, axes: Vec<i64>, shape: &[usize], data: Vec<f64>) -> Vec<f64> {
        let input = Tensor::from_vec(shape, data).unwrap();
        AxisNorm { axes, kind }.run::<f64>(&input).unwrap().to_vec().unwrap()
    }

    #[test]
    fn a_line_gets_norm_one_and_zeros_stay() {
        assert_eq!(run(Kind::L2, vec![0], &[2, 2], vec![3.0, 0.0, 4.0, 0.0]), [0.6, 0.0, 0.8, 0.0]);
        assert_eq!(run(Kind::L1, vec![-1], &[1, 2], vec![-1.0, 3.0]), [-0.25, 0.75]);
    }

    #[test]
    fn moments_are_over_all_axes_named() {
        let out = run(Kind::Moments, vec![0, 2], &[2, 2, 1], vec![1.0, 5.0, 3.0, 9.0]);
        for (came, expected) in out.iter().zip([-1.0, -1.0, 1.0, 1.0]) {
            assert!((came - expected).abs() < 1e-8, "{out:?}");
        }
    }

    #[test]
    fn an_axis_beyond_the_rank_is_an_error() {
        let input = Tensor::from_vec(vec![2], vec![1.0f32, 2.0]).unwrap();
        assert!(AxisNorm { axes: vec![3], kind: Kind::L2 }.run::<f32>(&input).is_err());
    }
}
