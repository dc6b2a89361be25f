//! Convolutions with fixed filters become [`Convolution`], which takes in an addition and a ReLU after it.

use girandole_kernels::math::Function;

use crate::{
    graph::{Node, ValueId},
    ops::{fused::convolution::Convolution, math::binary::arithmetic::Arithmetic, nn::conv::Conv},
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

const NAME: &str = "Convolution";

/// A convolution of f32 with fixed filters.
pub(in super::super) fn plain(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let conv = operator::<Conv>(root)?;
    view.constant(root.input(1)?)?;
    if let Some(bias) = root.input(2) {
        view.constant(bias)?;
    }
    if view.elem(root.input(0)?)? != ElemType::F32 {
        return None;
    }
    edit.node_into(NAME, Convolution::new(conv.clone()), root.inputs.clone(), root.outputs.clone());
    Some(())
}

/// Images of the same shape added to a convolution.
pub(in super::super) fn residual(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    if *operator::<Arithmetic>(root)? != Arithmetic::Add {
        return None;
    }
    let open = |made: ValueId| {
        let (node, convolution) = view.made_by::<Convolution>(made)?;
        let added = root.other_input(made)?;
        let free = !convolution.has_residual && !convolution.relu && view.is_private(made);
        let same = view.shape(made)? == view.shape(added)? && view.elem(added)? == ElemType::F32;
        (free && same && view.constant(added).is_none()).then_some((made, (node, convolution, added)))
    };
    let found = root.inputs.iter().flatten().filter_map(|&id| open(id)).max_by_key(|(made, _)| *made);
    let (_, (node, convolution, added)) = found?;
    let inputs = [node.input(0), node.input(1), node.input(2), Some(added)];
    let fused = Convolution { has_residual: true, ..convolution.clone() };
    edit.node_into(NAME, fused, inputs, root.outputs.clone());
    Some(())
}

/// ReLU of a convolution.
pub(in super::super) fn activation(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    if root.op.function()? != Function::RELU {
        return None;
    }
    let made = root.input(0)?;
    let (node, convolution) = view.made_by::<Convolution>(made)?;
    if convolution.relu || !view.is_private(made) {
        return None;
    }
    let fused = Convolution { relu: true, ..convolution.clone() };
    edit.node_into(NAME, fused, node.inputs.clone(), root.outputs.clone());
    Some(())
}
