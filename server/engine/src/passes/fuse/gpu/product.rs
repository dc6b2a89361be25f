//! Products with fixed weights become [`Product`], which takes in what follows them: first a bias, then something
//! added and an activation.

use crate::{
    graph::{Node, ValueId},
    ops::{
        fused::{norm::Norm, product::Product},
        math::binary::arithmetic::Arithmetic,
        nn::{gemm::Gemm, matmul::MatMul},
    },
    passes::rewrite::{Edit, View, operator},
    value::{ElemType, Tensor},
};

const NAME: &str = "Product";

/// `MatMul` with a fixed matrix on the right.
pub(in super::super) fn matmul(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<MatMul>(root)?;
    let (x, weights) = (root.input(0)?, root.input(1)?);
    is_matrix(view, x, weights)?;
    edit.node_into(NAME, Product::new(false, 1.0), [Some(x), Some(weights)], root.outputs.clone());
    Some(())
}

/// `Gemm` with fixed weights, whose C is a fixed row.
pub(in super::super) fn gemm(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let gemm = operator::<Gemm>(root)?;
    let (x, weights) = (root.input(0)?, root.input(1)?);
    let n = is_matrix(view, x, weights)?[usize::from(!gemm.turn_b)];
    if gemm.turn_a {
        return None;
    }
    let product = Product::new(gemm.turn_b, gemm.alpha);
    let Some(c) = root.input(2).filter(|_| gemm.beta != 0.0) else {
        edit.node_into(NAME, product, [Some(x), Some(weights)], root.outputs.clone());
        return Some(());
    };
    let bias = bias_of(view, edit, c, n, gemm.beta)?;
    edit.node_into(NAME, product.with_bias(), [Some(x), Some(weights), Some(bias)], root.outputs.clone());
    Some(())
}

/// A fixed row added to a product.
pub(in super::super) fn bias(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (node, product, added) = sum(view, root, |product| !product.has_bias)?;
    let rank = |id: ValueId| view.shape(id).map(Vec::len);
    // A constant of more axes than the product adds some to it.
    if rank(added)? > rank(node.only_output()?)? {
        return None;
    }
    let columns = view.constant(node.input(1)?)?.shape()[usize::from(!product.turned)];
    let bias = bias_of(view, edit, added, columns, 1.0)?;
    let inputs = [node.input(0), node.input(1), Some(bias)];
    edit.node_into(NAME, product.with_bias(), inputs, root.outputs.clone());
    Some(())
}

/// The bias of a product that only a normalisation reads is added there, where the sum is read anyway.
pub(in super::super) fn bias_into_norm(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let norm = operator::<Norm>(root)?;
    let &[Some(a), Some(b)] = &root.inputs[..] else { return None };
    let open = |made: ValueId| {
        let (node, product) = view.made_by::<Product>(made)?;
        let bare = product.activation.is_none() && !product.has_residual;
        let same = view.shape(a)? == view.shape(b)?;
        (product.has_bias && bare && same && view.is_private(made)).then_some((node, product))
    };
    let ((node, product), other) = open(a).map(|found| (found, b)).or_else(|| Some((open(b)?, a)))?;
    let bare = Product { has_bias: false, ..product.clone() };
    let sums = edit.node(NAME, bare, [node.input(0), node.input(1)]);
    edit.node_into("Norm", norm.clone(), [Some(sums), Some(other), node.input(2)], root.outputs.clone());
    Some(())
}

/// Something of the same shape added to a product.
pub(in super::super) fn residual(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (node, product, added) = sum(view, root, |_| true)?;
    let same = view.shape(added)? == view.shape(node.only_output()?)?;
    if !same || view.constant(added).is_some() {
        return None;
    }
    let inputs = [node.input(0), node.input(1), node.input(2), Some(added)];
    edit.node_into(NAME, product.with_residual(), inputs, root.outputs.clone());
    Some(())
}

/// A function of a product.
pub(in super::super) fn activation(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let function = root.op.function()?;
    let made = root.input(0)?;
    let (node, product) = view.made_by::<Product>(made)?;
    if product.activation.is_some() || !view.is_private(made) {
        return None;
    }
    edit.node_into(NAME, product.with_activation(function), node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// The shape of a fixed matrix of f32 that `x`, of f32 and at least a vector, is multiplied by.
fn is_matrix<'g>(view: &View<'g>, x: ValueId, id: ValueId) -> Option<&'g [usize]> {
    let weights: &Tensor = view.constant(id)?;
    let fits = weights.rank() == 2 && weights.elem() == ElemType::F32 && view.elem(x)? == ElemType::F32;
    (fits && !view.shape(x)?.is_empty()).then(|| &weights.shape()[..])
}

/// A sum of a product that nobody else reads, and of what is added; of two products the later one.
fn sum<'g>(
    view: &View<'g>,
    root: &Node,
    takes: impl Fn(&Product) -> bool,
) -> Option<(&'g Node, &'g Product, ValueId)> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Add {
        return None;
    }
    let open = |made: ValueId| {
        let (node, product) = view.made_by::<Product>(made)?;
        let added = root.other_input(made)?;
        let free = product.activation.is_none() && !product.has_residual && takes(product);
        let fits = free && view.is_private(made) && view.elem(added)? == ElemType::F32;
        fits.then_some((made, (node, product, added)))
    };
    let found = root.inputs.iter().flatten().filter_map(|&id| open(id)).max_by_key(|(made, _)| *made);
    found.map(|(_, sum)| sum)
}

/// A constant that is one row of `n` numbers, or one number for all, times `scale`, as a row.
fn bias_of(view: &View<'_>, edit: &mut Edit, id: ValueId, n: usize, scale: f32) -> Option<ValueId> {
    let row = super::super::rows::row(view, id, n, 2)?;
    let row = row.into_iter().map(|number| number * scale).collect();
    Some(edit.constant(Tensor::from_vec(vec![n], row).ok()?))
}
