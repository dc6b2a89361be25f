//! Products with fixed weights become [`Linear`], which takes in what follows them: first a bias, then
//! something added and an activation.

use std::sync::Arc;

use crate::{
    graph::{Node, ValueId},
    ops::{
        fused::linear::Linear,
        math::binary::arithmetic::Arithmetic,
        nn::{gemm::Gemm, matmul::MatMul},
    },
    passes::rewrite::{Edit, View, operator},
    value::{ElemType, Tensor},
};

const NAME: &str = "Linear";

/// `MatMul` with a fixed matrix on the right.
pub(super) fn matmul(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<MatMul>(root)?;
    let x = root.input(0)?;
    let linear = product(view, x, root.input(1)?, false, 1.0)?;
    edit.node_into(NAME, linear, [Some(x)], root.outputs.clone());
    Some(())
}

/// `Gemm` with fixed weights, whose C is a fixed row or whole.
pub(super) fn gemm(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let gemm = operator::<Gemm>(root)?;
    let x = root.input(0)?;
    if gemm.turn_a {
        return None;
    }
    let mut linear = product(view, x, root.input(1)?, gemm.turn_b, gemm.alpha)?;
    let mut inputs = vec![Some(x)];
    if let Some(c) = root.input(2).filter(|_| gemm.beta != 0.0) {
        if let Some(bias) = row(view, c, linear.n(), gemm.beta) {
            linear = linear.with_bias(bias);
        } else if gemm.beta == 1.0 {
            linear = linear.with_residual();
            inputs.push(Some(c));
        } else {
            return None;
        }
    }
    edit.node_into(NAME, linear, inputs, root.outputs.clone());
    Some(())
}

/// A fixed row added to a product.
pub(super) fn bias(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (node, linear, added) = sum(view, root)?;
    if linear.has_bias() {
        return None;
    }
    let bias = row(view, added, linear.n(), 1.0)?;
    // A constant of more axes than the product adds some to it.
    let rank = |id: ValueId| view.shape(id).map(Vec::len);
    if rank(added)? > rank(node.only_output()?)? {
        return None;
    }
    edit.node_into(NAME, linear.with_bias(bias), node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// Anything added to a product.
pub(super) fn residual(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (node, linear, added) = sum(view, root)?;
    edit.node_into(NAME, linear.with_residual(), [node.input(0), Some(added)], root.outputs.clone());
    Some(())
}

/// A function of a product.
pub(super) fn activation(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let function = root.op.function()?;
    let product = root.input(0)?;
    let (node, linear) = view.made_by::<Linear>(product)?;
    if !linear.takes_activation() || !view.is_private(product) {
        return None;
    }
    edit.node_into(NAME, linear.with_activation(function), node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// The product of `x` with a fixed matrix, whose packed weights all products with it share.
fn product(view: &View<'_>, x: ValueId, id: ValueId, turned: bool, scale: f32) -> Option<Linear> {
    let weights = weights(view, x, id)?;
    view.packs().product(id, turned, scale, || Linear::new(weights, turned, scale).ok())
}

/// The fixed matrix of f32 that `x`, of f32 and at least a vector, is multiplied by.
fn weights<'g>(view: &View<'g>, x: ValueId, id: ValueId) -> Option<&'g Tensor> {
    let weights = view.constant(id)?;
    let fits = weights.rank() == 2 && weights.elem() == ElemType::F32 && view.elem(x)? == ElemType::F32;
    fits.then_some(weights)
}

/// A sum of a product that nobody else reads, and of what is added; the later of two products is taken,
/// since it is the one that waits for the other.
fn sum<'g>(view: &View<'g>, root: &Node) -> Option<(&'g Node, &'g Linear, ValueId)> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Add {
        return None;
    }
    let open = |product: ValueId| {
        let (node, linear) = view.made_by::<Linear>(product)?;
        let added = root.other_input(product)?;
        let fits = linear.takes_residual() && view.is_private(product) && view.elem(added)? == ElemType::F32;
        fits.then_some((product, (node, linear, added)))
    };
    let found = root.inputs.iter().flatten().filter_map(|&id| open(id)).max_by_key(|(product, _)| *product);
    found.map(|(_, sum)| sum)
}

/// A constant that is one row of `n` numbers, or one number for all, times `scale`.
fn row(view: &View<'_>, id: ValueId, n: usize, scale: f32) -> Option<Arc<[f32]>> {
    Some(super::rows::row(view, id, n, 2)?.into_iter().map(|number| number * scale).collect())
}
