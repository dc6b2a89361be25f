//! `Gather` and `CumSum`.

use super::super::{
    content::{Content, Sign},
    scope::{Cause, Made, Scope, one},
    state::{Anchored, Axis, Longer},
};
use crate::{
    ops::{
        math::{axes, cumulative::CumSum},
        tensor::{gather::Gather, shapes},
    },
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    if let Some(gather) = operator::<Gather>(scope.node) {
        return Some(gathered(scope, gather));
    }
    operator::<CumSum>(scope.node).map(|sums| summed(scope, sums))
}

fn gathered(scope: &mut Scope<'_>, gather: &Gather) -> Made {
    let (data, indices) = (scope.tensor(0)?.clone(), scope.tensor(1)?.clone());
    let (shape, rank) = (scope.shape(0)?, scope.shape(1)?.len());
    let axis = shapes::axis(gather.axis, shape.len()).map_err(|_| "its axis is not known")?;
    let all = data.all();
    let mut axes = Vec::new();
    for longer in &indices.axes {
        let size = shape[axis].known().ok_or("the size of what it takes from is not known")?;
        within(scope, &longer.pad, size)?;
        axes.push(Axis { axis: axis + longer.axis, pad: all.clone(), anchor: Anchored::always(all.clone()) });
    }
    for longer in &data.axes {
        let after = |at: usize| if at < axis { at } else { at + rank - 1 };
        match longer.axis {
            at if at == axis && takes_first(scope) => {}
            at if at == axis => return Err("it takes other places than the first"),
            at => axes.push(Axis { axis: after(at), ..longer.clone() }),
        }
    }
    if !axes.is_empty() && !data.axes.is_empty() && !indices.axes.is_empty() {
        return Err("it takes padded places from what is padded");
    }
    one(Longer { real: data.real, axes })
}

/// Whether the indices are constant and name the first place only, which every tensor has.
fn takes_first(scope: &Scope<'_>) -> bool {
    let indices = scope.fact(1).and_then(|fact| fact.constant_ints());
    indices.is_some_and(|indices| indices.iter().all(|&index| index == 0))
}

/// That indices which were added name one of `size` places.
fn within(scope: &mut Scope<'_>, indices: &Content, size: usize) -> Result<(), Cause> {
    const BEYOND: Cause = "an index that is added may name no place";
    match indices {
        Content::Position(more) => {
            scope.needs.at_most(size.checked_sub(*more).ok_or(BEYOND)?);
            Ok(())
        }
        #[allow(clippy::cast_precision_loss)]
        other => match other.bounds() {
            Some((min, max)) if min >= 0.0 && max < size as f64 => Ok(()),
            _ => Err(BEYOND),
        },
    }
}

fn summed(scope: &Scope<'_>, sums: &CumSum) -> Made {
    let tensor = scope.tensor(0)?;
    let axis = scope.integer(1).and_then(|axis| axes::index(axis, scope.shape(0).ok()?.len()).ok());
    let axis = axis.ok_or("its axis is not known")?;
    if let Some(longer) = tensor.along(axis)
        && sums.reverse
        && !longer.pad.is_zero()
    {
        return Err("it sums up from the end");
    }
    let along = tensor.along(axis).is_some();
    let counts = |content: &Content| content.bounds().is_some_and(|(min, max)| min >= 0.0 && max <= 1.0);
    let counted = along && counts(&tensor.all());
    let of = |content: &Content| match content.sign() {
        Some(_) if counted => Content::Position(1),
        Some(sign) => Content::Computed(sign.min(Sign::NotNegative)),
        None if content.is_low() => Content::Any,
        None => Content::given([content]),
    };
    one(tensor.map(of))
}
