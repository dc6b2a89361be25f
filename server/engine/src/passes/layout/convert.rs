//! Operators that have a counterpart of their own for channels innermost.

use girandole_kernels::pooling::Pooling;

use super::Walk;
use crate::{
    error::Result,
    graph::{Fact, Node, ValueId},
    ops::{
        Op,
        fused::nhwc::{
            NhwcAffine, NhwcConv, NhwcConvTranspose, NhwcMean, NhwcPool, Takes, channels_last, planes,
        },
        math::reduce::ops::Reduce,
        nn::{
            average_pool::{Kind, Pool},
            batch_norm::BatchNorm,
            conv::Conv,
            conv_transpose::ConvTranspose,
            global_pool::GlobalPool,
            max_pool::MaxPool,
        },
        tensor::{concat::Concat, identity::Identity, transpose::Transpose},
    },
    passes::rewrite::operator,
};

/// Images of so few channels are read plane by plane, since a vector of channels would be nearly empty.
const FEW_CHANNELS: usize = 4;

/// Puts the counterpart in the node's place; `None` where there is none that fits.
///
/// # Errors
/// As [`Walk::turned`].
pub(super) fn node(walk: &mut Walk<'_>, node: &Node) -> Result<Option<()>> {
    let Some(&[Some(output)]) = node.outputs.get(..) else { return Ok(None) };
    let Some(input) = node.input(0) else { return Ok(None) };
    if let Some(op) = operator::<Conv>(node) {
        return conv(walk, op, node, output);
    }
    if let Some(op) = operator::<ConvTranspose>(node) {
        return conv_transpose(walk, op, node, output);
    }
    if let Some(op) = operator::<BatchNorm>(node) {
        return Ok(batch_norm(walk, op, node, output));
    }
    if let Some(op) = operator::<Concat>(node) {
        return concat(walk, op, node, output);
    }
    if let Some(op) = operator::<Transpose>(node) {
        return Ok(transpose(walk, op, input, output));
    }
    Ok(pool(walk, node, input, output).or_else(|| mean(walk, node, input, output)))
}

impl Walk<'_> {
    /// A node that makes the twin of `output`.
    fn put_twin(
        &mut self,
        op_type: &'static str,
        op: impl Op + 'static,
        inputs: Vec<Option<ValueId>>,
        output: ValueId,
    ) {
        let twin = self.twin_of_made(output);
        self.put(op_type, op, inputs, twin);
    }
}

fn conv(walk: &mut Walk<'_>, op: &Conv, node: &Node, output: ValueId) -> Result<Option<()>> {
    let (Some(input), Some(weights)) = (node.input(0), node.input(1)) else { return Ok(None) };
    let bias = node.input(2);
    let constant = |id: ValueId| walk.fact(id).constant_tensor();
    let (Some(tensor), Some(rank)) = (constant(weights), walk.image_rank(input)) else { return Ok(None) };
    if tensor.rank() != rank || bias.is_some_and(|id| constant(id).is_none()) {
        return Ok(None);
    }
    let few = op.groups == 1 && tensor.shape()[1] <= FEW_CHANNELS;
    let takes = if few && walk.twin(input).is_none() { Takes::Planes } else { Takes::Channels };
    let made = NhwcConv::new(&op.window, op.groups, tensor, bias.and_then(constant), takes, walk.exactness);
    let Some(made) = made else { return Ok(None) };
    let from = if takes == Takes::Planes { input } else { walk.turned(input)? };
    walk.put_twin("NhwcConv", made, vec![Some(from)], output);
    Ok(Some(()))
}

fn conv_transpose(
    walk: &mut Walk<'_>,
    op: &ConvTranspose,
    node: &Node,
    output: ValueId,
) -> Result<Option<()>> {
    let (Some(input), Some(weights)) = (node.input(0), node.input(1)) else { return Ok(None) };
    let bias = node.input(2);
    let constant = |id: ValueId| walk.fact(id).constant_tensor();
    let (Some(tensor), Some(rank)) = (constant(weights), walk.image_rank(input)) else { return Ok(None) };
    let fits = tensor.rank() == rank && op.makes_blocks(&tensor.shape()[2..]);
    if !fits || bias.is_some_and(|id| constant(id).is_none()) {
        return Ok(None);
    }
    let made = NhwcConvTranspose::new(tensor, bias.and_then(constant));
    let Some(made) = made else { return Ok(None) };
    let from = walk.turned(input)?;
    walk.put_twin("NhwcConvTranspose", made, vec![Some(from)], output);
    Ok(Some(()))
}

/// A normalisation by statistics that the model fixes.
fn batch_norm(walk: &mut Walk<'_>, op: &BatchNorm, node: &Node, output: ValueId) -> Option<()> {
    let twin = walk.twin(node.input(0)?)?;
    let parameter = |i: usize| walk.fact(node.input(i)?).constant_tensor();
    let affine = op.fixed([parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?])?;
    walk.put_twin("NhwcAffine", NhwcAffine::new(&affine), vec![Some(twin)], output);
    Some(())
}

fn pool(walk: &mut Walk<'_>, node: &Node, input: ValueId, output: ValueId) -> Option<()> {
    let twin = walk.twin(input)?;
    let (window, kind) = if let Some(op) = operator::<MaxPool>(node).filter(|op| !op.indices) {
        (&op.window, Pooling::Max)
    } else {
        let op = operator::<Pool>(node)?;
        let Kind::Mean { padding } = op.kind else { return None };
        (&op.window, Pooling::Mean { padding })
    };
    walk.put_twin("NhwcPool", NhwcPool { window: window.clone(), kind }, vec![Some(twin)], output);
    Some(())
}

/// A mean over all axes of places.
fn mean(walk: &mut Walk<'_>, node: &Node, input: ValueId, output: ValueId) -> Option<()> {
    let (twin, rank) = (walk.twin(input)?, walk.image_rank(input)?);
    let keep = if let Some(GlobalPool::Mean) = operator::<GlobalPool>(node) {
        true
    } else {
        let given = match node.input(1) {
            Some(id) => Some(walk.fact(id)).and_then(Fact::constant_ints),
            None => Some(Vec::new()),
        };
        let (axes, keep) = operator::<Reduce>(node)?.mean_axes(given, rank)?;
        let mut places: Vec<i64> =
            axes.iter().map(|&axis| if axis < 0 { axis + rank as i64 } else { axis }).collect();
        places.sort_unstable();
        if !places.into_iter().eq(2..rank as i64) {
            return None;
        }
        keep
    };
    if keep {
        walk.put_twin("NhwcMean", NhwcMean { keep }, vec![Some(twin)], output);
    } else {
        walk.put("NhwcMean", NhwcMean { keep }, vec![Some(twin)], output);
    }
    Some(())
}

fn concat(walk: &mut Walk<'_>, op: &Concat, node: &Node, output: ValueId) -> Result<Option<()>> {
    let ids: Option<Vec<ValueId>> = node.inputs.iter().copied().collect();
    let Some((ids, rank)) = ids.zip(walk.image_rank(output)) else { return Ok(None) };
    let fit = |&id: &ValueId| walk.image_rank(id) == Some(rank);
    if !ids.iter().any(|&id| walk.twin(id).is_some()) || !ids.iter().all(fit) {
        return Ok(None);
    }
    let axis = if op.axis < 0 { op.axis + rank as i64 } else { op.axis };
    let place = channels_last(rank).into_iter().position(|from| from as i64 == axis);
    let Some(axis) = place.and_then(|place| i64::try_from(place).ok()) else { return Ok(None) };
    let inputs = ids.into_iter().map(|id| walk.turned(id).map(Some)).collect::<Result<Vec<_>>>()?;
    walk.put_twin("Concat", Concat { axis }, inputs, output);
    Ok(Some(()))
}

/// A change of order that the file itself asks for: its result, or what it takes, is the twin.
fn transpose(walk: &mut Walk<'_>, op: &Transpose, input: ValueId, output: ValueId) -> Option<()> {
    let rank = walk.image_rank(input)?;
    let order: Vec<usize> =
        op.order.as_ref()?.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<_>>()?;
    if order == channels_last(rank) {
        let twin = walk.twin(input)?;
        walk.put("Identity", Identity, vec![Some(twin)], output);
        return Some(());
    }
    // The input is read as it is, so its place must be taken; nothing runs until somebody reads the output.
    if order == planes(rank) && walk.twin(output).is_none() && !walk.pending.contains(&input) {
        walk.twins.insert(output, input);
        walk.pending.insert(output);
        return Some(());
    }
    None
}
