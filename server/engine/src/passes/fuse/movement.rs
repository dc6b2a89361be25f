//! Selections before transposes: fewer elements are moved; and the turned matrices of ONNX Runtime's products
//! as transposes, which other rules know.

use crate::{
    graph::Node,
    ops::{
        microsoft::swap::Swap,
        tensor::{gather::Gather, transpose::Transpose},
    },
    passes::rewrite::{Edit, View, operator},
};

/// One index of an axis of a transposed value: it is taken first, and what is left is transposed, where that
/// still needs it.
pub(super) fn select_first(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let gather = operator::<Gather>(root)?;
    let (turned, index) = (root.input(0)?, root.input(1)?);
    let (node, transpose) = view.made_by::<Transpose>(turned)?;
    let rank = view.shape(turned)?.len();
    if !view.is_private(turned) || !view.shape(index)?.is_empty() {
        return None;
    }
    let mut order = transpose.order(rank).ok()?;
    let place = if gather.axis < 0 { gather.axis.checked_add_unsigned(rank as u64)? } else { gather.axis };
    let place = usize::try_from(place).ok().filter(|&place| place < rank)?;
    let axis = order.remove(place);
    order.iter_mut().filter(|own| **own > axis).for_each(|own| *own -= 1);
    let select = Gather { axis: i64::try_from(axis).ok()? };
    let inputs = [node.input(0), Some(index)];
    if order.is_sorted() {
        edit.node_into("Gather", select, inputs, root.outputs.clone());
    } else {
        let selected = edit.node("Gather", select, inputs);
        edit.node_into("Transpose", Transpose::new(order), [Some(selected)], root.outputs.clone());
    }
    Some(())
}

/// The last two dimensions of a value of known rank turned.
pub(super) fn turn(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<Swap>(root)?;
    let input = root.input(0)?;
    let mut order: Vec<usize> = (0..view.shape(input)?.len()).collect();
    let [.., a, b] = &mut order[..] else { return None };
    std::mem::swap(a, b);
    edit.node_into("Transpose", Transpose::new(order), [Some(input)], root.outputs.clone());
    Some(())
}
