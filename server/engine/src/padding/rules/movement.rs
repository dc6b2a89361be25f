//! Operators that move elements: `Transpose`, `Split`, `Concat`, `Slice`.

use super::super::{
    scope::{Made, Scope, one},
    state::{Anchored, Axis, Longer, State},
};
use crate::{
    ops::tensor::{
        concat::Concat,
        shapes,
        slice::{End, Slice},
        split::Split,
        transpose::Transpose,
    },
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    if let Some(transpose) = operator::<Transpose>(scope.node) {
        return Some(transposed(scope, transpose));
    }
    if let Some(split) = operator::<Split>(scope.node) {
        return Some(parted(scope, split));
    }
    operator::<Concat>(scope.node).map(|concat| joined(scope, concat))
}

fn transposed(scope: &Scope<'_>, transpose: &Transpose) -> Made {
    let order = transpose.order(scope.shape(0)?.len()).map_err(|_| "its axes are not known")?;
    let moved = scope.tensor(0)?.moved(|axis| order.iter().position(|&from| from == axis));
    moved.ok_or("its axes are not known").and_then(one)
}

fn parted(scope: &Scope<'_>, split: &Split) -> Made {
    let (tensor, axis) =
        (scope.tensor(0)?, split.along(scope.shape(0)?.len()).ok_or("its axis is not known")?);
    if tensor.along(axis).is_some() || !scope.same_from(1) {
        return Err("it parts the places");
    }
    Ok(vec![State::Tensor(tensor.clone()); scope.node.outputs.len()])
}

fn joined(scope: &Scope<'_>, concat: &Concat) -> Made {
    let axis = shapes::axis(concat.axis, scope.shape(0)?.len()).map_err(|_| "its axis is not known")?;
    let parts = (0..scope.inputs.len()).map(|i| scope.tensor(i)).collect::<Result<Vec<_>, _>>()?;
    let (first, rest) = parts.split_first().ok_or("an input is missing")?;
    let mut made = Longer::clone(first);
    for part in rest {
        let pairs = made.axes.iter().map(|own| Some(beside(own, part.along(own.axis)?)));
        let axes = pairs.collect::<Option<Vec<_>>>().filter(|axes| axes.len() == part.axes.len());
        let real = made.real.or(&part.real);
        made = Longer { real, axes: axes.ok_or("a tensor beside it is not padded")? };
    }
    if made.along(axis).is_some() {
        return Err("something follows the last place");
    }
    one(made)
}

/// An axis of tensors that lie beside each other.
fn beside(one: &Axis, other: &Axis) -> Axis {
    let content = one.anchor.content.or(&other.anchor.content);
    let anchor = Anchored { content, masks: one.anchor.masks | other.anchor.masks };
    Axis { axis: one.axis, pad: one.pad.or(&other.pad), anchor }
}

/// `Slice`: whole axes, the first place, or a table up to the length.
pub(super) fn slice(scope: &mut Scope<'_>) -> Option<Made> {
    let slice = operator::<Slice>(scope.node)?;
    (!scope.is_length(0)).then(|| sliced(scope, slice))
}

fn sliced(scope: &mut Scope<'_>, slice: &Slice) -> Made {
    const INEXACT: &str = "it cuts places off other than all behind the first";
    let mut made = scope.tensor(0)?.clone();
    let all = made.all();
    let shape = scope.shape(0)?;
    let cuts = slice.known_cuts(&scope.facts()).ok_or("what it cuts is not known")?;
    for cut in cuts {
        let long = made.axes.iter().position(|longer| longer.axis == cut.axis);
        let by_length = matches!(&cut.end, End::Size(size) if size == scope.dimension);
        let is_known = matches!(cut.end, End::At(_));
        match (long, shape.get(cut.axis).and_then(|dim| dim.known())) {
            (Some(_), _) if cut.start == 0 && cut.step == 1 && (by_length || cut.is_to_the_end()) => {}
            (Some(place), _) if cut.start == 0 && cut.step > 0 && matches!(cut.end, End::At(1)) => {
                made.axes.remove(place);
            }
            (None, Some(table)) if by_length && cut.start == 0 && cut.step == 1 => {
                scope.needs.at_most(table);
                let anchor = Anchored::always(all.clone());
                made.axes.push(Axis { axis: cut.axis, pad: all.clone(), anchor });
            }
            (None, _) if is_known => {}
            _ => return Err(INEXACT),
        }
    }
    one(made)
}
