//! Operators that work in any order of dimensions, once what they take stands in the same.

use super::Walk;
use crate::{
    error::Result,
    graph::{Node, SymDim, ValueId},
    ops::{
        fused::nhwc::channels_last,
        tensor::{resize::Resize, transpose::permuted},
    },
    passes::rewrite::operator,
    value::{ElemType, Tensor, dispatch},
};

/// The node's inputs with channels innermost, where it may take them so and one of them is there so already.
///
/// # Errors
/// As [`Walk::turned`].
pub(super) fn inputs(walk: &mut Walk<'_>, node: &Node) -> Result<Option<Vec<Option<ValueId>>>> {
    let [Some(output)] = node.outputs[..] else { return Ok(None) };
    let Some(rank) = walk.image_rank(output) else { return Ok(None) };
    let images = |&id: &ValueId| walk.twin(id).is_some() && walk.image_rank(id) == Some(rank);
    if let Some(op) = operator::<Resize>(node) {
        let first = node.input(0).filter(images);
        return match first.zip(op.per_dimension()) {
            Some((first, lists)) => resized(walk, node, first, lists, rank),
            None => Ok(None),
        };
    }
    if !node.op.is_pointwise() || !node.inputs.iter().flatten().any(images) {
        return Ok(None);
    }
    if !node.inputs.iter().flatten().all(|&id| turns(walk, id, rank)) {
        return Ok(None);
    }
    node.inputs
        .iter()
        .map(|id| id.map(|id| turned(walk, id, rank)).transpose())
        .collect::<Result<_>>()
        .map(Some)
}

/// Whether a value can be had with channels innermost among images of this rank.
fn turns(walk: &Walk<'_>, id: ValueId, rank: usize) -> bool {
    let fact = walk.fact(id);
    let few = fact.rank().is_some_and(|own| own <= rank);
    is_single(walk, id) || fact.rank() == Some(rank) || (few && fact.constant_tensor().is_some())
}

/// Whether the value is one number, which needs no turning.
fn is_single(walk: &Walk<'_>, id: ValueId) -> bool {
    let shape = walk.fact(id).shape.as_ref();
    shape.is_some_and(|shape| shape.iter().all(|dim| *dim == SymDim::Known(1)))
}

fn turned(walk: &mut Walk<'_>, id: ValueId, rank: usize) -> Result<ValueId> {
    if is_single(walk, id) && walk.twin(id).is_none() {
        return Ok(id);
    }
    match walk.fact(id).constant_tensor() {
        // Broadcasting adds leading dimensions, so they must be there before the order changes.
        Some(tensor) if tensor.rank() < rank => {
            let missing = rank - tensor.rank();
            let shape: Vec<usize> =
                std::iter::repeat_n(1, missing).chain(tensor.shape().iter().copied()).collect();
            let tensor = permuted(&tensor.reshape(shape)?, &channels_last(rank))?;
            Ok(walk.constant(&tensor))
        }
        _ => walk.turned(id),
    }
}

/// The inputs of a resize: images, and lists with an entry for each dimension.
fn resized(
    walk: &mut Walk<'_>,
    node: &Node,
    images: ValueId,
    lists: &[usize],
    rank: usize,
) -> Result<Option<Vec<Option<ValueId>>>> {
    let mut inputs = node.inputs.clone();
    for &list in lists {
        let Some(id) = node.input(list) else { continue };
        let Some(tensor) = walk.fact(id).constant_tensor() else { return Ok(None) };
        if tensor.is_empty() {
            continue;
        }
        if !tensor.len().is_multiple_of(rank) {
            return Ok(None);
        }
        let turned = entries(tensor, rank)?;
        inputs[list] = Some(walk.constant(&turned));
    }
    if let Some(first) = inputs.first_mut() {
        *first = Some(walk.turned(images)?);
    }
    Ok(Some(inputs))
}

/// A list of one or more rows of an entry for each dimension, with the entries in the order of channels
/// innermost.
fn entries(tensor: &Tensor, rank: usize) -> Result<Tensor> {
    debug_assert_ne!(tensor.elem(), ElemType::String);
    dispatch!(tensor.elem(), Number, T => {
        let all = tensor.view::<T>()?;
        let order = channels_last(rank);
        let turned = all.chunks_exact(rank).flat_map(|row| order.iter().map(|&axis| row[axis])).collect();
        Tensor::from_vec(tensor.shape().clone(), turned)
    })
}
