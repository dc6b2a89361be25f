//! Products with weights of four bits: fixed ones are packed, and a fixed bias is added on the way.

use std::sync::Arc;

use super::rows::row;
use crate::{
    graph::Node,
    ops::{fused::nbits::NBits, math::binary::arithmetic::Arithmetic, microsoft::nbits::Product},
    passes::rewrite::{Edit, View, operator},
};

const NAME: &str = "MatMulNBits";

/// Weights, scales and zero points that the model fixes.
pub(super) fn pack(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let product = operator::<Product>(root)?;
    let zeros = match root.input(3) {
        Some(zeros) => Some(view.constant(zeros)?),
        None => None,
    };
    let (codes, scales) = (view.constant(root.input(1)?)?, view.constant(root.input(2)?)?);
    let weights = Arc::new(product.packed(codes, scales, zeros).ok()?);
    edit.node_into(NAME, NBits { weights, bias: None }, [root.input(0)], root.outputs.clone());
    Some(())
}

/// A fixed row added to a product that nobody else reads.
pub(super) fn bias(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let Arithmetic::Add = operator::<Arithmetic>(root)? else { return None };
    let product = root.inputs.iter().flatten().copied().find(|&id| view.made_by::<NBits>(id).is_some())?;
    let (node, op) = view.made_by::<NBits>(product)?;
    let rank = view.shape(product)?.len();
    let bias = row(view, root.other_input(product)?, op.weights.n(), rank)?;
    if op.bias.is_some() || !view.is_private(product) {
        return None;
    }
    let op = NBits { bias: Some(bias.into()), ..op.clone() };
    edit.node_into(NAME, op, node.inputs.clone(), root.outputs.clone());
    Some(())
}
