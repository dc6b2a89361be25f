//! Attention as exporters spell it, `Softmax(scale * Q x K^T + mask) x V`, with scales on either side or on
//! both, and heads split and turned before and after.

mod heads;

use crate::{
    graph::{Node, SymDim, SymShape, ValueId},
    ops::{
        fused::attention::{Attention, Axis, Operand, Order},
        math::{binary::arithmetic::Arithmetic, softmax::Softmax},
        nn::matmul::MatMul,
        tensor::transpose::Transpose,
    },
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

use super::expand::expanded;
use heads::{Atom, Traced};

/// Batch, head, row and column of a value of heads.
const RANK: usize = 4;

/// The product of probabilities and values, and what stands before it.
pub(super) fn attention(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<MatMul>(root)?;
    let (probabilities, value) = (root.input(0)?, root.input(1)?);
    let (node, softmax) = view.made_by::<Softmax>(probabilities)?;
    if !view.is_private(probabilities) || !softmax.is_last_axis(view.shape(probabilities)?.len()) {
        return None;
    }
    let (scores, mask) = masked(view, node.input(0)?)?;
    let shape = view.shape(scores.made)?;
    if mask.is_some_and(|mask| !broadcasts(view, mask, shape)) {
        return None;
    }
    let (query, key) = (Traced::new(view, scores.query)?, Traced::new(view, scores.key)?);
    let value = Traced::new(view, value)?;
    let scale = scores.scale * query.scale * key.scale;
    if value.scale != 1.0 || !alike(&query.axes, &key.axes) || !alike(&query.axes, &value.axes) {
        return None;
    }
    let fused = Attention {
        query: operand(view, &query, [0, 1, 2, 3])?,
        key: operand(view, &key, [0, 1, 3, 2])?,
        value: operand(view, &value, [0, 1, 2, 3])?,
        scale,
        order: Order::HeadsFirst,
    };
    // What a mask repeats broadcasts as well as it.
    let mask = mask.map(|mask| expanded(view, mask).map_or(mask, |(source, _)| source));
    let inputs = [Some(query.origin), Some(key.origin), Some(value.origin), mask];
    edit.node_into("FusedAttention", fused, inputs, root.outputs.clone());
    Some(())
}

/// Heads that are turned back into rows: they are written so.
pub(super) fn rows_first(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let order = operator::<Transpose>(root)?.order(RANK).ok()?;
    let made = root.input(0)?;
    let (node, attention) = view.made_by::<Attention>(made)?;
    if order != [0, 2, 1, 3] || attention.order != Order::HeadsFirst || !view.is_private(made) {
        return None;
    }
    let fused = Attention { order: Order::RowsFirst, ..attention.clone() };
    edit.node_into("FusedAttention", fused, node.inputs.clone(), root.outputs.clone());
    Some(())
}

/// The scaled product of queries and keys.
struct Scores {
    query: ValueId,
    key: ValueId,
    scale: f32,
    /// The value that the product is.
    made: ValueId,
}

/// Scores and what is added to them.
fn masked(view: &View<'_>, value: ValueId) -> Option<(Scores, Option<ValueId>)> {
    if let Some(scores) = scores(view, value) {
        return Some((scores, None));
    }
    let (node, Arithmetic::Add) = view.made_by::<Arithmetic>(value)? else { return None };
    if !view.is_private(value) {
        return None;
    }
    let (a, b) = (node.input(0)?, node.input(1)?);
    scores(view, a).map(|scores| (scores, Some(b))).or_else(|| Some((scores(view, b)?, Some(a))))
}

fn scores(view: &View<'_>, mut value: ValueId) -> Option<Scores> {
    let mut scale = 1.0;
    let rank = view.shape(value)?.len();
    while let Some((node, arithmetic)) = view.made_by::<Arithmetic>(value) {
        let (a, b) = (node.input(0)?, node.input(1)?);
        let (input, factor) = match arithmetic {
            Arithmetic::Mul => view.scalar(b).map(|f| (a, f)).or_else(|| Some((b, view.scalar(a)?)))?,
            Arithmetic::Div => (a, 1.0 / view.scalar(b)?),
            Arithmetic::Add | Arithmetic::Sub => return None,
        };
        if !view.is_private(value) || view.shape(input)?.len() != rank {
            return None;
        }
        scale *= factor;
        value = input;
    }
    let (node, _) = view.made_by::<MatMul>(value)?;
    let private = view.is_private(value) && rank == RANK;
    private.then_some(Scores { query: node.input(0)?, key: node.input(1)?, scale, made: value })
}

/// Whether a mask's every dimension is 1 or that of the scores.
fn broadcasts(view: &View<'_>, mask: ValueId, scores: &SymShape) -> bool {
    let Some(shape) = view.shape(mask).filter(|shape| shape.len() <= scores.len()) else { return false };
    let fits = |(own, score): (&SymDim, &SymDim)| match own {
        SymDim::Known(1) => true,
        SymDim::Unknown => false,
        own => own == score,
    };
    view.elem(mask) == Some(ElemType::F32) && shape.iter().rev().zip(scores.iter().rev()).all(fits)
}

/// Whether two values have the same batch and the same heads.
fn alike(a: &[Vec<Atom>], b: &[Vec<Atom>]) -> bool {
    let sizes = |axes: &[Vec<Atom>]| -> Option<Vec<Vec<SymDim>>> {
        let of = |axis: &Vec<Atom>| axis.iter().map(|atom| atom.size.clone()).collect();
        Some(axes.get(..2)?.iter().map(of).collect())
    };
    a.len() == RANK && b.len() == RANK && sizes(a).is_some() && sizes(a) == sizes(b)
}

/// A traced value with its axes in the order of batch, head, row and column, columns side by side.
fn operand(view: &View<'_>, traced: &Traced, order: [usize; RANK]) -> Option<Operand> {
    let rank = view.shape(traced.origin)?.len();
    let mut axes = [None; RANK];
    for (axis, from) in axes.iter_mut().zip(order) {
        *axis = match traced.axes.get(from)?.as_slice() {
            [] => None,
            [Atom { size: SymDim::Unknown, .. }] => return None,
            [atom] => Some(Axis { axis: atom.axis, inner: atom.inner, size: atom.size.known() }),
            _ => return None,
        };
    }
    let [.., column] = axes;
    column.is_none_or(|column| column.axis + 1 == rank && column.inner == 1).then_some(Operand(axes))
}
