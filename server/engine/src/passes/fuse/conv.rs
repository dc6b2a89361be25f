//! What follows a convolution becomes part of it: an activation, a residual, numbers that its results are
//! multiplied with or that are added to them.

use girandole_kernels::conv::Finish;

use crate::{
    graph::{Node, SymDim, ValueId},
    ops::{
        fused::nhwc::{NhwcAffine, NhwcConv, NhwcConvTranspose, NhwcScale},
        math::binary::arithmetic::Arithmetic,
    },
    passes::rewrite::{Edit, View, operator},
    value::{ElemType, Tensor},
};

/// The convolution that makes a value which nobody else reads.
fn private_conv<'g>(view: &View<'g>, id: ValueId) -> Option<(&'g Node, &'g NhwcConv)> {
    view.made_by::<NhwcConv>(id).filter(|_| view.is_private(id))
}

/// An activation of the sums.
pub(super) fn activated(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let finish = Finish::of(root.op.function()?)?;
    let sums = root.input(0)?;
    if let Some((node, conv)) = view.made_by::<NhwcConvTranspose>(sums) {
        if !view.is_private(sums) || conv.finish() != Finish::NONE {
            return None;
        }
        edit.node_into("NhwcConvTranspose", conv.finished(finish), node.inputs.clone(), root.outputs.clone());
        return Some(());
    }
    if let Some((node, affine)) = view.made_by::<NhwcAffine>(sums) {
        if !view.is_private(sums) || affine.finish() != Finish::NONE {
            return None;
        }
        edit.node_into("NhwcAffine", affine.finished(finish), node.inputs.clone(), root.outputs.clone());
        return Some(());
    }
    let (node, conv) = private_conv(view, sums)?;
    if conv.finish() != Finish::NONE {
        return None;
    }
    edit.node_into("NhwcConv", conv.finished(finish), node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// Numbers that all results are multiplied with, or that are added to them.
pub(super) fn affine(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let op = *operator::<Arithmetic>(root)?;
    let sums =
        [root.input(0), root.input(1)].into_iter().flatten().find(|&id| private_conv(view, id).is_some())?;
    let other = root.other_input(sums)?;
    let number = view.scalar(other).filter(|_| view.fact(other).rank() <= view.fact(sums).rank())?;
    let (node, conv) = private_conv(view, sums)?;
    let (scale, shift) = match op {
        Arithmetic::Add => (1.0, number),
        Arithmetic::Mul => (number, 0.0),
        Arithmetic::Sub if root.input(0) == Some(sums) => (1.0, -number),
        Arithmetic::Div if root.input(0) == Some(sums) => (1.0 / number, 0.0),
        Arithmetic::Sub | Arithmetic::Div => return None,
    };
    let finish = conv.finish().then(scale, shift);
    edit.node_into("NhwcConv", conv.finished(finish), node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// Images that are added to the sums, which have as many channels.
pub(super) fn residual(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (a, b) = (root.input(0)?, root.input(1)?);
    if *operator::<Arithmetic>(root)? != Arithmetic::Add || a == b || !same_channels(view, a, b) {
        return None;
    }
    let fits = |&id: &ValueId| {
        private_conv(view, id).is_some_and(|(node, conv)| {
            node.inputs.len() == 1 && conv.takes_residual() && conv.finish() == Finish::NONE
        })
    };
    // Of two, the later one: the other's results are there then.
    let sums = [b, a].into_iter().find(fits)?;
    let (node, conv) = private_conv(view, sums)?;
    let inputs = [node.input(0), root.other_input(sums)];
    edit.node_into("NhwcConv", conv.clone(), inputs, root.outputs.clone());
    Some(())
}

/// Whether two values are f32 of one rank and as many channels, innermost, and no size is known to differ.
fn same_channels(view: &View<'_>, a: ValueId, b: ValueId) -> bool {
    let (Some(one), Some(other)) = (view.shape(a), view.shape(b)) else { return false };
    let known =
        matches!((one.last(), other.last()), (Some(SymDim::Known(a)), Some(SymDim::Known(b))) if a == b);
    let differ = |(a, b): (&SymDim, &SymDim)| {
        a.known().zip(b.known()).map_or(a.known() == Some(1) || b.known() == Some(1), |(a, b)| a != b)
    };
    let floats = [a, b].iter().all(|&id| view.elem(id) == Some(ElemType::F32));
    known && floats && one.len() == other.len() && !one.iter().zip(other).any(differ)
}

/// Images times one number for each image's each channel.
pub(super) fn scaled(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Mul {
        return None;
    }
    let (a, b) = (root.input(0)?, root.input(1)?);
    let (images, factors) =
        if are_factors(view, a, b) { (a, b) } else { are_factors(view, b, a).then_some((b, a))? };
    edit.node_into("NhwcScale", NhwcScale, [Some(images), Some(factors)], root.outputs.clone());
    Some(())
}

/// Whether `factors` has one place where `images` has many, and the same batch and channels.
fn are_factors(view: &View<'_>, images: ValueId, factors: ValueId) -> bool {
    let (Some(large), Some(small)) = (view.shape(images), view.shape(factors)) else { return false };
    let ([batch, places @ .., channels], [rows, ones @ .., width]) = (&large[..], &small[..]) else {
        return false;
    };
    let floats = [images, factors].iter().all(|&id| view.elem(id) == Some(ElemType::F32));
    let same = |a: &SymDim, b: &SymDim| a == b && *a != SymDim::Unknown;
    floats
        && !ones.is_empty()
        && places.len() == ones.len()
        && ones.iter().all(|one| *one == SymDim::Known(1))
        && same(batch, rows)
        && same(channels, width)
}

/// `x + x * factors` is `x * (factors + 1)`, where the factors are few.
pub(super) fn excited(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Add {
        return None;
    }
    let (a, b) = (root.input(0)?, root.input(1)?);
    let product = [a, b].into_iter().find(|&id| {
        let scaled = view.made_by::<NhwcScale>(id).and_then(|(node, _)| node.input(0));
        view.is_private(id) && scaled.is_some() && scaled == root.other_input(id)
    })?;
    let (node, _) = view.made_by::<NhwcScale>(product)?;
    let one = edit.constant(Tensor::from_vec(vec![1], vec![1f32]).ok()?);
    let factors = edit.node("Add", Arithmetic::Add, [node.input(1), Some(one)]);
    edit.node_into("NhwcScale", NhwcScale, [node.input(0), Some(factors)], root.outputs.clone());
    Some(())
}
