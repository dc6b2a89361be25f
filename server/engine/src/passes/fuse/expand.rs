//! Expansions after the arithmetic on what they repeat: masks are made of few elements, and read as such by
//! operators that broadcast anyway.

use crate::{
    graph::{Node, SymDim, ValueId},
    ops::{
        math::{
            binary::{arithmetic::Arithmetic, select::Where},
            cast::ops::Cast,
        },
        tensor::expand::Expand,
    },
    passes::rewrite::{Edit, View, operator},
};

/// An elementwise operator of expanded values (all to one shape) and constants of one element: it works on
/// what is expanded.
pub(super) fn later(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let mut target = None;
    let mut rank = None;
    for input in root.inputs.iter().copied() {
        let input = input?;
        if let Some((source, to)) = expanded(view, input) {
            let own = view.shape(source)?.len();
            if target.is_some_and(|target| target != to) || rank.is_some_and(|rank| rank != own) {
                return None;
            }
            (target, rank) = (Some(to), Some(own));
        }
    }
    let (target, rank) = (target?, rank?);
    let source = |input: &Option<ValueId>| match expanded(view, (*input)?) {
        Some((source, _)) => Some(Some(source)),
        None => view.constant((*input)?).filter(|t| t.len() == 1 && t.rank() <= rank).map(|_| *input),
    };
    let inputs = root.inputs.iter().map(source).collect::<Option<Vec<_>>>()?;
    let made = applied(root, edit, inputs)?;
    edit.node_into("Expand", Expand, [Some(made), Some(target)], root.outputs.clone());
    Some(())
}

/// Arithmetic with a value that is expanded to the shape that the other has: broadcasting does the same.
pub(super) fn never(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let arithmetic = operator::<Arithmetic>(root)?;
    let (a, b) = (root.input(0)?, root.input(1)?);
    let covers = |whole: ValueId, part: ValueId| {
        let (whole, part) = (view.shape(whole)?, view.shape(part)?);
        (whole == part && !whole.contains(&SymDim::Unknown)).then_some(())
    };
    let inputs = match (expanded(view, a), expanded(view, b)) {
        (None, Some((source, _))) => covers(a, b).map(|()| [Some(a), Some(source)]),
        (Some((source, _)), None) => covers(b, a).map(|()| [Some(source), Some(b)]),
        _ => None,
    };
    edit.node_into("Arithmetic", *arithmetic, inputs?, root.outputs.clone());
    Some(())
}

/// What an expanded value repeats, and the shape that it is expanded to.
pub(super) fn expanded(view: &View<'_>, value: ValueId) -> Option<(ValueId, ValueId)> {
    let (node, _) = view.made_by::<Expand>(value)?;
    Some((node.input(0)?, node.input(1)?))
}

/// The root's operator on other inputs, where it is one that works element by element.
fn applied(root: &Node, edit: &mut Edit, inputs: Vec<Option<ValueId>>) -> Option<ValueId> {
    if let Some(cast) = operator::<Cast>(root) {
        return Some(edit.node(root.op_type, cast.clone(), inputs));
    }
    if let Some(arithmetic) = operator::<Arithmetic>(root) {
        return Some(edit.node(root.op_type, *arithmetic, inputs));
    }
    operator::<Where>(root).map(|select| edit.node(root.op_type, *select, inputs))
}
