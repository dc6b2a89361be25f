//! Rotary position embedding as exporters spell it: `x * cos + turned * sin`, where `turned` is the second half
//! of each row, negated, and then the first.

use super::attention::{RANK, heads::Traced, operand, part_of};
use crate::{
    graph::{Node, SymDim, ValueId},
    ops::{
        fused::rotary::Rotary,
        math::{binary::arithmetic::Arithmetic, unary::integral::Integral},
        tensor::{concat::Concat, shapes},
    },
    passes::rewrite::{Edit, View, operator},
    value::ElemType,
};

/// The sum, and what stands before it.
pub(super) fn turned(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()> {
    let Arithmetic::Add = operator::<Arithmetic>(root)? else { return None };
    let (a, b) = (product(view, root.input(0)?)?, product(view, root.input(1)?)?);
    let (x, cos, sin) = [(a, b), (b, a)].into_iter().find_map(|(straight, turned)| {
        let straight = [(straight[0], straight[1]), (straight[1], straight[0])];
        let turned = [(turned[0], turned[1]), (turned[1], turned[0])];
        straight.into_iter().find_map(|(x, cos)| {
            let sin = turned.into_iter().find(|&(turned, _)| half_turned(view, turned) == Some(x))?.1;
            Some((x, cos, sin))
        })
    })?;
    let shape = view.shape(x)?;
    let columns = shape.last()?.known()?;
    let fits = |factors: ValueId| {
        let shape = view.shape(factors)?;
        let columns = shape.last() == Some(&SymDim::Known(columns));
        Some(columns && shape.len() <= RANK && view.elem(factors)? == ElemType::F32)
    };
    let heads = Traced::new(view, x)?;
    if shape.len() != RANK || heads.scale != 1.0 || !fits(cos)? || !fits(sin)? {
        return None;
    }
    let operand = operand(view, &heads, [0, 1, 2, 3]).filter(|operand| operand.repeat == 1)?;
    let inputs = [Some(heads.origin), Some(cos), Some(sin)];
    edit.node_into("Rotary", Rotary { heads: operand }, inputs, root.outputs.clone());
    Some(())
}

fn product(view: &View<'_>, id: ValueId) -> Option<[ValueId; 2]> {
    let (node, Arithmetic::Mul) = view.made_by::<Arithmetic>(id)? else { return None };
    Some([node.input(0)?, node.input(1)?])
}

/// What a value is the halves of, the second, negated, first.
fn half_turned(view: &View<'_>, id: ValueId) -> Option<ValueId> {
    let (node, concat) = view.made_by::<Concat>(id)?;
    let [Some(negated), Some(first)] = node.inputs[..] else { return None };
    let (negation, Integral::Neg) = view.made_by::<Integral>(negated)? else { return None };
    let second = negation.input(0)?;
    let (x, begin) = half(view, first)?;
    let (other, middle) = half(view, second)?;
    let rank = view.shape(x)?.len();
    let last = shapes::axis(concat.axis, rank).ok()? + 1 == rank;
    let size = view.shape(x)?.last()?.known()?;
    (last && x == other && begin == 0 && middle * 2 == size).then_some(x)
}

/// What a value is half of along the last axis, and where that half begins.
fn half(view: &View<'_>, id: ValueId) -> Option<(ValueId, usize)> {
    let node = view.maker(id)?;
    let part = part_of(view, node, id)?;
    let x = node.input(0)?;
    let shape = view.shape(x)?;
    let fits = part.axis + 1 == shape.len() && shape.last()?.known()? == 2 * part.len;
    fits.then_some((x, part.begin))
}
