//! Sums of rows looked up in fixed tables, and their normalisation: an encoder's embeddings.

use crate::{
    graph::{Node, ValueId},
    ops::{
        fused::{
            embed::{Embed, MAX_TABLES},
            norm::Norm,
        },
        math::binary::arithmetic::Arithmetic,
        tensor::gather::Gather,
    },
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

/// A normalisation of rows, or of the sum of rows, of tables.
pub(in super::super) fn rows(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let norm = operator::<Norm>(root)?;
    let mut looked_up = Vec::new();
    for id in root.inputs.iter().flatten() {
        collect(view, *id, &mut looked_up)?;
    }
    if looked_up.len() > MAX_TABLES {
        return None;
    }
    let width = |&(table, _): &(ValueId, ValueId)| view.constant(table).map(|table| table.shape()[1]);
    if !looked_up.iter().all(|pair| width(pair) == Some(norm.scale.len())) {
        return None;
    }
    let inputs: Vec<_> =
        looked_up.into_iter().flat_map(|(table, index)| [Some(table), Some(index)]).collect();
    edit.node_into("Embed", Embed { norm: norm.clone() }, inputs, root.outputs.clone());
    Some(())
}

/// The tables and indices that a sum is made of; `None` where anything else is in it.
fn collect(view: &View<'_>, id: ValueId, into: &mut Vec<(ValueId, ValueId)>) -> Option<()> {
    if !view.is_private(id) || into.len() > MAX_TABLES {
        return None;
    }
    if let Some((node, Arithmetic::Add)) = view.made_by::<Arithmetic>(id) {
        collect(view, node.input(0)?, into)?;
        return collect(view, node.input(1)?, into);
    }
    let (node, gather) = view.made_by::<Gather>(id)?;
    let (table, index) = (node.input(0)?, node.input(1)?);
    let fixed = view.constant(table)?;
    let fits = gather.axis == 0 && fixed.rank() == 2 && fixed.elem() == ElemType::F32;
    (fits && view.elem(index)? == ElemType::I64).then(|| into.push((table, index)))
}
