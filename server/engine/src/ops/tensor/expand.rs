//! `Expand` (since opset 8) and `Tile` (since 6, with `repeats`): repetition of what is there.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::Tensor,
};

use super::{
    kernels::{Walk, strided},
    shapes::{broadcast, contents, one_fact, sizes, strides, unknown},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("Expand", 8, |_| boxed(Expand)), OpDef::onnx("Tile", 6, |_| boxed(Tile))];

/// `Expand`.
#[derive(Debug)]
pub(crate) struct Expand;

impl Op for Expand {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).zip(contents(inputs.get(1)));
        one_fact(inputs.elem(0), shape.map(|(input, target)| broadcast_dims(input, &target)))
    }

    fn movement(&self, shape: &[usize], inputs: &Inputs) -> Option<Result<Vec<Walk>>> {
        let target = inputs.tensor(1).and_then(Tensor::to_ints).and_then(|ints| sizes(&ints));
        Some(target.and_then(|target| Ok(vec![walk(shape, &target)?])))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let target = sizes(&inputs.tensor(1)?.to_ints()?)?;
        one(expanded(inputs.tensor(0)?, &target)?)
    }
}

/// `tensor` broadcast with a tensor of shape `target`.
pub(super) fn expanded(tensor: &Tensor, target: &[usize]) -> Result<Tensor> {
    let walk = walk(tensor.shape(), target)?;
    if walk.shape == tensor.shape()[..] {
        return Ok(tensor.clone());
    }
    strided(tensor, walk)
}

/// The elements of a tensor of these dimensions broadcast with one of shape `target`.
fn walk(dims: &[usize], target: &[usize]) -> Result<Walk> {
    let shape = broadcast(dims, target)?;
    let own = dims.iter().zip(strides(dims));
    let own = own.map(|(&dim, stride)| if dim == 1 { 0 } else { stride.cast_signed() });
    let added = vec![0; shape.len() - dims.len()];
    Ok(Walk { strides: added.into_iter().chain(own).collect(), shape, start: 0 })
}

fn broadcast_dims(a: &SymShape, b: &SymShape) -> SymShape {
    let rank = a.len().max(b.len());
    let dim = |shape: &SymShape, i: usize| {
        (i + shape.len()).checked_sub(rank).map_or(SymDim::Known(1), |at| shape[at].clone())
    };
    let joined = |i| match (dim(a, i), dim(b, i)) {
        (x, y) if x == y => x,
        (SymDim::Known(1), other) | (other, SymDim::Known(1)) => other,
        (SymDim::Known(size), _) | (_, SymDim::Known(size)) => SymDim::Known(size),
        _ => SymDim::Unknown,
    };
    (0..rank).map(joined).collect()
}

#[derive(Debug)]
struct Tile;

impl Op for Tile {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let repeats = contents(inputs.get(1));
        let dims = inputs.shape(0).map(|shape| match repeats {
            Some(repeats) if repeats.len() == shape.len() => {
                shape.iter().zip(&repeats).map(tiled_dim).collect()
            }
            _ => unknown(shape.len()),
        });
        one_fact(inputs.elem(0), dims)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(tiled(input, &sizes(&inputs.tensor(1)?.to_ints()?)?)?)
    }
}

fn tiled_dim((dim, repeat): (&SymDim, &SymDim)) -> SymDim {
    match (dim, repeat) {
        (SymDim::Known(dim), SymDim::Known(repeat)) => SymDim::Known(dim.saturating_mul(*repeat)),
        (SymDim::Known(1), other) | (other, SymDim::Known(1)) => other.clone(),
        _ => SymDim::Unknown,
    }
}

fn tiled(input: &Tensor, repeats: &[usize]) -> Result<Tensor> {
    if repeats.len() != input.rank() {
        return Err(OpError::invalid(format!(
            "expected {} repeats, one for each dimension, got {}",
            input.rank(),
            repeats.len()
        )));
    }
    let pairs = || input.shape().iter().zip(repeats);
    let shape: Option<Vec<usize>> = pairs().map(|(dim, repeat)| dim.checked_mul(*repeat)).collect();
    let shape = shape.ok_or_else(|| OpError::TooLarge("the tiled tensor is too large".into()))?;
    // Each dimension becomes two: its repetitions, then itself.
    let walk = Walk {
        shape: pairs().flat_map(|(&dim, &repeat)| [repeat, dim]).collect(),
        strides: strides(input.shape()).into_iter().flat_map(|stride| [0, stride.cast_signed()]).collect(),
        start: 0,
    };
    strided(input, walk)?.reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_nest_from_the_outside_in() {
        let input = Tensor::from_vec(vec![2, 2], vec![1i64, 2, 3, 4]).unwrap();
        let out = tiled(&input, &[2, 2]).unwrap();
        assert_eq!(out.to_vec::<i64>().unwrap(), [1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4]);
        assert!(tiled(&input, &[2]).is_err());
        assert!(tiled(&input, &[usize::MAX, 2]).is_err());
        assert!(tiled(&input, &[1 << 40, 2]).is_err());
    }

    #[test]
    fn a_target_may_be_smaller_than_the_input() {
        let input = Tensor::from_vec(vec![3, 1], vec![1i64, 2, 3]).unwrap();
        assert_eq!(expanded(&input, &[2]).unwrap().to_vec::<i64>().unwrap(), [1, 1, 2, 2, 3, 3]);
        assert_eq!(expanded(&input, &[1, 1]).unwrap().shape()[..], [3, 1]);
        assert!(expanded(&input, &[2, 1]).is_err());
    }
}
