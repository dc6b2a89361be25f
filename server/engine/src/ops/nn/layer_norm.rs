//! `LayerNormalization` (since opset 17) and `RMSNormalization` (since 23): rows are the axes from `axis` on.
//! Computed in f32 at least, whatever `stash_type` says; scale and bias may be broadcast.

use girandole_kernels::norm::{Norm, To};
use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    kernels::{norm, parallel, real::Real},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Tensor, Value, checked_len},
};

use super::{
    broadcast,
    real::{self, elements, real},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("LayerNormalization", 17, |node| parse(node, Kind::Layer)),
    OpDef::onnx("RMSNormalization", 23, |node| parse(node, Kind::RootMeanSquare)),
];

/// What rows are brought to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Layer,
    RootMeanSquare,
}

/// The operator.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    kind: Kind,
    axis: i64,
    epsilon: f32,
    /// The type of the statistics that are handed out.
    statistics: ElemType,
    /// Whether the statistics are asked for.
    hands_out: bool,
}

fn parse(node: &NodeDef<'_>, kind: Kind) -> Result<Box<dyn Op>> {
    let stash = i32::try_from(node.int_or("stash_type", 1)?).unwrap_or(0);
    boxed(LayerNorm {
        kind,
        axis: node.int_or("axis", -1)?,
        epsilon: node.float_or("epsilon", 1e-5)?,
        statistics: ElemType::from_onnx(stash)?,
        hands_out: node.has_output(1) || node.has_output(2),
    })
}

/// `axis` within `rank`, counted from the end where it is negative.
///
/// # Errors
/// `Invalid` beyond it.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let wide = i64::try_from(rank).unwrap_or(i64::MAX);
    let positive = if axis < 0 { axis.saturating_add(wide) } else { axis };
    usize::try_from(positive)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| OpError::invalid(format!("axis {axis} is beyond rank {rank}")))
}

/// What a row's statistics were.
struct Rows<T> {
    out: Vec<T>,
    means: Vec<T>,
    factors: Vec<T>,
}

impl LayerNorm {
    /// The first axis of a tensor of `rank` that rows are made of.
    pub(crate) fn first_axis(&self, rank: usize) -> Option<usize> {
        axis_of(self.axis, rank).ok()
    }

    /// What rows along the last axis of a tensor of `rank` are brought to, and epsilon; `None` where rows are
    /// more than that axis or statistics are asked for.
    pub(crate) fn of_last_axis(&self, rank: usize) -> Option<(To, f32)> {
        let last = axis_of(self.axis, rank).is_ok_and(|axis| axis + 1 == rank);
        (last && !self.hands_out).then_some((self.to(), self.epsilon))
    }

    const fn to(&self) -> To {
        match self.kind {
            Kind::Layer => To::Moments,
            Kind::RootMeanSquare => To::MeanSquare,
        }
    }

    fn rows<T: Real>(&self, mut out: Vec<T>, row: usize) -> Result<Rows<T>> {
        let epsilon = T::of(f64::from(self.epsilon));
        let statistics = |row: &[T]| {
            let (mean, spread) = match self.kind {
                Kind::Layer => norm::moments(row),
                Kind::RootMeanSquare => (T::zero(), norm::mean_square(row)),
            };
            (mean, T::one() / (spread + epsilon).sqrt())
        };
        let (means, factors): (Vec<T>, Vec<T>) = out.chunks(row.max(1)).map(statistics).unzip();
        let steps = out.len();
        parallel::chunks(&mut out, row, steps, |i, row| {
            let mean = means.get(i).copied().unwrap_or_default();
            norm::standardise(row, mean, factors.get(i).copied().unwrap_or_default());
            Ok(())
        })?;
        Ok(Rows { out, means, factors })
    }

    /// By the kernel, where rows of `f32` have parameters of their own length and no statistics are asked for.
    fn fast(&self, input: &Tensor, scale: &Tensor, bias: Option<&Tensor>) -> Result<Option<Tensor>> {
        let axis = axis_of(self.axis, input.rank())?;
        let row = &input.shape()[axis..];
        let fits = |tensor: &Tensor| tensor.elem() == ElemType::F32 && tensor.shape()[..] == *row;
        let plain = input.elem() == ElemType::F32 && !input.is_empty() && !self.hands_out;
        if !plain || !fits(scale) || !bias.is_none_or(fits) {
            return Ok(None);
        }
        let bias = bias.map(Tensor::view::<f32>).transpose()?;
        let norm = Norm {
            to: self.to(),
            epsilon: self.epsilon,
            scale: &scale.view::<f32>()?,
            shift: bias.as_deref(),
        };
        let out = norm.apply(&input.view::<f32>()?)?;
        Tensor::from_vec(input.shape().clone(), out).map(Some)
    }

    fn run<T: Real>(&self, input: &Tensor, scale: &Tensor, bias: Option<&Tensor>) -> Result<Outputs> {
        let axis = axis_of(self.axis, input.rank())?;
        let shape = input.shape();
        let row: usize = shape[axis..].iter().product();
        let Rows { mut out, means, factors } = self.rows(elements::<T>(input)?.to_vec(), row)?;
        combine(&mut out, shape, axis, scale, |v, s: T| *v *= s)?;
        if let Some(bias) = bias {
            combine(&mut out, shape, axis, bias, |v, b: T| *v += b)?;
        }
        let mut outputs: Outputs = smallvec![Value::Tensor(real::tensor(scale.elem(), shape, out)?)];
        if self.kind == Kind::Layer {
            let kept: Vec<usize> =
                shape.iter().enumerate().map(|(i, &dim)| if i < axis { dim } else { 1 }).collect();
            if checked_len::<T>(&kept)? == means.len() {
                outputs.push(Value::Tensor(real::tensor(self.statistics, &kept, means)?));
                outputs.push(Value::Tensor(real::tensor(self.statistics, &kept, factors)?));
            }
        }
        Ok(outputs)
    }
}

/// Combines every element with that of a parameter: of one row's shape, or broadcast.
fn combine<T: Real>(
    out: &mut [T],
    shape: &[usize],
    axis: usize,
    parameter: &Tensor,
    with: impl Fn(&mut T, T),
) -> Result<()> {
    let values = elements::<T>(parameter)?;
    if parameter.shape()[..] == shape[axis..] {
        let row = values.len().max(1);
        out.chunks_mut(row).for_each(|row| row.iter_mut().zip(values.iter()).for_each(|(v, &p)| with(v, p)));
        return Ok(());
    }
    let values = broadcast::stretch(&values, parameter.shape(), shape)?;
    out.iter_mut().zip(&values).for_each(|(v, &p)| with(v, p));
    Ok(())
}

impl Op for LayerNorm {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0);
        let axis = shape.map(|shape| axis_of(self.axis, shape.len())).transpose()?;
        let kept: Option<SymShape> = shape.zip(axis).map(|(shape, axis)| {
            let dim = |(i, dim): (usize, &SymDim)| if i < axis { dim.clone() } else { SymDim::Known(1) };
            shape.iter().enumerate().map(dim).collect()
        });
        let elem = inputs.elem(1).or(inputs.elem(0));
        let mut facts = vec![Fact::tensor(Some(self.statistics), kept); outputs];
        if let Some(first) = facts.first_mut() {
            *first = Fact::tensor(elem, shape.cloned());
        }
        Ok(facts)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, scale, bias) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        if let Some(out) = self.fast(input, scale, bias)? {
            return Ok(smallvec![Value::Tensor(out)]);
        }
        real!(input.elem(), T => self.run::<T>(input, scale, bias))
    }
}
