//! Attention as exporters spell it, `Softmax(scale * Q x K^T + mask) x V`, with scales on either side or on
//! both, masks that are added or say by a condition what is hidden, and heads split and turned before and
//! after.

pub(super) mod heads;
mod mask;
pub(super) mod projection;

use crate::{
    graph::{Node, SymDim, ValueId},
    ops::{
        fused::attention::{Attention, Axis, Operand, Order, Unseen},
        math::{
            binary::{arithmetic::Arithmetic, select::Where},
            softmax::Softmax,
            unary::predicate::Predicate,
        },
        nn::matmul::MatMul,
        tensor::transpose::Transpose,
    },
    passes::rewrite::{Edit, View, operator},
};

pub(super) use heads::part_of;
use heads::{Atom, Traced};
use mask::Masked;

/// Batch, head, row and column of a value of heads.
pub(super) const RANK: usize = 4;
/// The axis of heads.
const HEAD: usize = 1;

/// The product of probabilities and values, and what stands before it.
pub(super) fn attention(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    operator::<MatMul>(root)?;
    let (scores, unseen) = weighed(view, root.input(0)?)?;
    let masked = Masked::new(view, scores)?;
    let scores = &masked.scores;
    let (query, key) = (Traced::new(view, scores.query)?, Traced::new(view, scores.key)?);
    let value = Traced::new(view, root.input(1)?)?;
    let scale = scores.scale * query.scale * key.scale;
    let fused = Attention {
        query: operand(view, &query, [0, 1, 2, 3])?,
        key: operand(view, &key, [0, 1, 3, 2])?,
        value: operand(view, &value, [0, 1, 2, 3])?,
        scale,
        masking: masked.masking(),
        causal: masked.causal,
        unseen,
        order: Order::HeadsFirst,
    };
    let shared = fused.query.repeat == 1 && fused.key.repeat == fused.value.repeat;
    if value.scale != 1.0 || !shared {
        return None;
    }
    let inputs = [Some(query.origin), Some(key.origin), Some(value.origin), masked.mask(view, edit).ok()?];
    edit.node_into("FusedAttention", fused, inputs, root.outputs.clone());
    Some(())
}

/// The scores that weights are the softmax of, and what stands for one that is not a number: some exporters
/// put zeros there.
fn weighed(view: &View<'_>, weights: ValueId) -> Option<(ValueId, Unseen)> {
    let rank = view.shape(weights)?.len();
    let scores = |weights: ValueId| {
        let (node, softmax) = view.made_by::<Softmax>(weights)?;
        softmax.is_last_axis(rank).then(|| node.input(0))?
    };
    if !view.is_private(weights) {
        return None;
    }
    let Some((node, _)) = view.made_by::<Where>(weights) else {
        return Some((scores(weights)?, Unseen::Nan));
    };
    let (condition, zero, softmax) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let (test, Predicate::IsNaN) = view.made_by::<Predicate>(condition)? else { return None };
    let only_these = view.is_private(condition) && view.readers(softmax) == 2;
    let fits = view.scalar(zero) == Some(0.0) && test.input(0) == Some(softmax) && only_these;
    fits.then(|| Some((scores(softmax)?, Unseen::Zeros)))?
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
    private.then_some(Scores { query: node.input(0)?, key: node.input(1)?, scale })
}

/// A traced value with its axes in the order of batch, head, row and column, columns side by side.
pub(super) fn operand(view: &View<'_>, traced: &Traced, order: [usize; RANK]) -> Option<Operand> {
    let rank = view.shape(traced.origin)?.len();
    let (mut axes, mut repeat) = ([None; RANK], 1);
    if traced.axes.len() != RANK {
        return None;
    }
    for (i, (axis, from)) in axes.iter_mut().zip(order).enumerate() {
        let mut atoms = traced.axes.get(from)?.as_slice();
        // Neighbouring heads may share one of keys and values.
        if let [others @ .., Atom { inner: 0, size: SymDim::Known(size), .. }] = atoms
            && i == HEAD
        {
            (atoms, repeat) = (others, *size);
        }
        *axis = match atoms {
            [] => None,
            [Atom { inner: 0, .. }] => return None,
            [atom] => Some(Axis { axis: atom.axis, inner: atom.inner, size: atom.size.known() }),
            _ => return None,
        };
    }
    let [.., column] = axes;
    let side_by_side = column.is_none_or(|column| column.axis + 1 == rank && column.inner == 1);
    side_by_side.then(|| Operand { axes, starts: traced.starts.iter().copied().collect(), repeat })
}
