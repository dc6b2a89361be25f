//! `MaxUnpool`: what a maximum pool left, back at the places it came from. Since opset 9; 22 adds bf16.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::super::{
    ring::{Ring, ring},
    window::{size_of, sizes},
};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("MaxUnpool", 9, parse)];

#[derive(Debug)]
struct MaxUnpool {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    pads: Vec<usize>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let op = MaxUnpool {
        kernel: sizes(node, "kernel_shape", 1)?,
        strides: sizes(node, "strides", 1)?,
        pads: sizes(node, "pads", 0)?,
    };
    let axes = op.kernel.len();
    let fits = |list: &[usize], expected: usize| list.is_empty() || list.len() == expected;
    if axes > 0 && fits(&op.strides, axes) && fits(&op.pads, 2 * axes) {
        return boxed(op);
    }
    Err(OpError::invalid(format!("kernel_shape, strides and pads of {axes} axes do not fit each other")))
}

impl MaxUnpool {
    /// The shape that the pool had as input, as far as its output tells.
    fn pooled(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let axes = self.kernel.len();
        if shape.len() != axes + 2 {
            return Err(OpError::invalid(format!("a kernel of {axes} axes does not fit shape {shape:?}")));
        }
        let axis = |i: usize| {
            let stride = self.strides.get(i).copied().unwrap_or(1);
            let pad = |i: usize| self.pads.get(i).copied().unwrap_or(0);
            let reach = shape[i + 2].checked_sub(1)?.checked_mul(stride)?.checked_add(self.kernel[i])?;
            reach.checked_sub(pad(i).checked_add(pad(axes + i))?)
        };
        let spatial: Option<Vec<usize>> = (0..axes).map(axis).collect();
        let spatial = spatial.ok_or_else(|| OpError::invalid(format!("shape {shape:?} is of no pool")))?;
        Ok([&shape[..2], &spatial[..]].concat())
    }

    fn run<T: Ring>(&self, input: &Tensor, places: &Tensor, wanted: Option<Vec<i64>>) -> Result<Tensor> {
        let pooled = self.pooled(input.shape())?;
        let shape = match wanted {
            None => pooled.clone(),
            Some(wanted) => wanted.into_iter().map(|v| size_of("output_shape", v)).collect::<Result<_>>()?,
        };
        if shape.len() != pooled.len() || places.shape() != input.shape() {
            return Err(OpError::invalid(format!(
                "places {} and an output of {shape:?} do not fit an input of {}",
                places.shape(),
                input.shape()
            )));
        }
        let len = checked_len::<u8>(&pooled)?;
        let mut out = vec![T::ZERO; checked_len::<T>(&shape)?];
        for (value, index) in T::read(input)?.into_iter().zip(places.to_ints()?) {
            let index = usize::try_from(index).ok().filter(|&index| index < len);
            let place = index.and_then(|index| moved(index, &pooled, &shape)).ok_or_else(|| {
                OpError::invalid(format!("a place lies outside of {pooled:?} or of the output {shape:?}"))
            })?;
            out[place] = value;
        }
        T::write(input.elem(), &shape, out)
    }
}

/// The place in a tensor of shape `to` of what lies at `place` in one of shape `from`.
fn moved(mut place: usize, from: &[usize], to: &[usize]) -> Option<usize> {
    let (mut out, mut stride) = (0, 1);
    for (&from, &to) in from.iter().zip(to).rev() {
        let index = place % from;
        place /= from;
        if index >= to {
            return None;
        }
        out += index * stride;
        stride *= to;
    }
    Some(out)
}

impl Op for MaxUnpool {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match inputs.get(2) {
            Some(wanted) => wanted.dims.clone(),
            None => {
                let input = inputs.get(0).and_then(Fact::concrete_shape);
                let pooled = input.map(|shape| self.pooled(&shape)).transpose()?;
                pooled.map(|shape| shape.into_iter().map(crate::graph::SymDim::Known).collect())
            }
        };
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, places) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let wanted = inputs.opt_tensor(2)?.map(Tensor::to_ints).transpose()?;
        one(ring!(input.elem(), T => self.run::<T>(input, places, wanted))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(places: Vec<i64>, wanted: Option<Vec<i64>>) -> Result<Vec<f32>> {
        let op = MaxUnpool { kernel: vec![2], strides: vec![2], pads: vec![] };
        let input = Tensor::from_vec(vec![1, 1, 2], vec![5.0f32, 7.0])?;
        op.run::<f32>(&input, &Tensor::from_vec(vec![1, 1, 2], places)?, wanted)?.to_vec()
    }

    #[test]
    fn values_go_back_and_a_wanted_shape_adds_zeros_behind() {
        assert_eq!(run(vec![1, 2], None).unwrap(), [0.0, 5.0, 7.0, 0.0]);
        assert_eq!(run(vec![1, 2], Some(vec![1, 1, 5])).unwrap(), [0.0, 5.0, 7.0, 0.0, 0.0]);
    }

    #[test]
    fn places_outside_are_errors() {
        assert!(run(vec![1, 4], None).is_err());
        assert!(run(vec![1, -1], None).is_err());
        assert!(run(vec![1, 3], Some(vec![1, 1, 3])).is_err());
        assert!(run(vec![1, 3], Some(vec![1, 1, -3])).is_err());
    }
}
