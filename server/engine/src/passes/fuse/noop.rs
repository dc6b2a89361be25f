//! Nodes that hand on what they take: everybody reads their input instead, but where they make an output of
//! the graph.

use crate::{
    graph::Node,
    ops::{
        math::cast::ops::Cast,
        nn::dropout::Dropout,
        tensor::{concat::Concat, identity::Identity, transpose::Transpose},
    },
    passes::rewrite::{Edit, View, operator},
    value::Bool,
};

/// `Identity`.
pub(super) fn identity(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<Identity>(root)?;
    hand_on(view, root, edit)
}

/// `Cast` or `CastLike` to the type that the input has.
pub(super) fn cast(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let to = operator::<Cast>(root)?.to.or_else(|| view.elem(root.input(1)?))?;
    if view.elem(root.input(0)?)? != to {
        return None;
    }
    hand_on(view, root, edit)
}

/// `Dropout` whose mask nobody reads and that does not train.
pub(super) fn dropout(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<Dropout>(root)?;
    if let Some(training) = root.input(2)
        && view.constant(training)?.to_scalar::<Bool>().ok()?.get()
    {
        return None;
    }
    hand_on(view, root, edit)
}

/// `Concat` of one value.
pub(super) fn concat(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<Concat>(root)?;
    if root.inputs.len() != 1 {
        return None;
    }
    hand_on(view, root, edit)
}

/// `Transpose` that leaves every dimension in its place.
pub(super) fn transpose(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let transpose = operator::<Transpose>(root)?;
    let rank = view.shape(root.input(0)?)?.len();
    if !transpose.order(rank).ok()?.is_sorted() {
        return None;
    }
    hand_on(view, root, edit)
}

fn hand_on(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let (made, taken) = (root.only_output()?, root.input(0)?);
    if view.is_output(made) {
        return None;
    }
    edit.alias(made, taken);
    Some(())
}
