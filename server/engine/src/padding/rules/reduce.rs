//! Operators that work along axes: sums, maxima, their places, and the softmax.

use super::super::{
    content::{Content, Sign},
    scope::{Cause, Made, Scope, one},
    state::{Axis, Longer},
};
use crate::{
    ops::math::{
        axes,
        extremum::Extremum,
        reduce::ops::{Kind, Reduce},
        softmax::{self, Softmax},
    },
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    if let Some(softmax) = operator::<Softmax>(scope.node) {
        return Some(normalised(scope, softmax));
    }
    if let Some(extremum) = operator::<Extremum>(scope.node) {
        return Some(placed(scope, extremum));
    }
    operator::<Reduce>(scope.node).map(|reduce| reduced(scope, reduce))
}

/// That none of the numbers that were added is the greatest: they are a mask's, and others are not.
fn masked(scope: &mut Scope<'_>, longer: &Axis) -> Result<(), Cause> {
    if !longer.pad.is_low() || !longer.anchor.content.is_tame() {
        return Err("no mask keeps the places that are added from counting");
    }
    scope.needs.masks |= longer.anchor.masks;
    Ok(())
}

fn normalised(scope: &mut Scope<'_>, softmax: &Softmax) -> Made {
    const POSITIVE: Content = Content::Computed(Sign::NotNegative);
    let tensor = scope.tensor(0)?.clone();
    let axis = softmax.only_axis(scope.shape(0)?.len()).ok_or("it goes over several axes")?;
    let kind = if softmax.kind == softmax::Kind::LogSoftmax { Content::COMPUTED } else { POSITIVE };
    let made = tensor.map(|scores| if scores.is_sane() { kind.clone() } else { Content::Any });
    let Some(longer) = tensor.along(axis) else { return one(made) };
    if softmax.kind != softmax::Kind::Softmax {
        return Err("it goes over places");
    }
    masked(scope, longer)?;
    let elem = scope.fact(0).and_then(|fact| fact.elem);
    let zero = Content::whole(elem, 0).ok_or("its type is not known")?;
    let mut made = made;
    made.axes.iter_mut().filter(|longer| longer.axis == axis).for_each(|longer| longer.pad = zero.clone());
    one(made)
}

fn placed(scope: &mut Scope<'_>, extremum: &Extremum) -> Made {
    let tensor = scope.tensor(0)?.clone();
    let axis = axes::index(extremum.axis, scope.shape(0)?.len()).map_err(|_| "its axis is not known")?;
    if let Some(longer) = tensor.along(axis) {
        if !extremum.greatest {
            return Err("it asks for the place of the least");
        }
        masked(scope, longer)?;
    }
    one(left(&tensor, &[axis], extremum.keep).map(|_| Content::Any))
}

fn reduced(scope: &mut Scope<'_>, reduce: &Reduce) -> Made {
    let tensor = scope.tensor(0)?.clone();
    if !scope.same_from(1) {
        return Err("its axes are not known");
    }
    let given = scope.fact(1).map(|fact| fact.constant_ints().ok_or("its axes are not known")).transpose()?;
    let mask = reduce.mask(given.unwrap_or_default(), scope.shape(0)?.len());
    let Some(mask) = mask.map_err(|_| "its axes are not known")? else { return one(tensor) };
    let axes: Vec<usize> = mask.iter().enumerate().filter(|(_, is)| **is).map(|(axis, _)| axis).collect();
    for longer in axes.iter().filter_map(|&axis| tensor.along(axis)) {
        match reduce.kind {
            Kind::Max => masked(scope, longer)?,
            Kind::Sum | Kind::L1 | Kind::L2 | Kind::SumSquare if longer.pad.is_zero() => {}
            Kind::Mean => return Err("it takes the mean over places, of which there are more"),
            _ => return Err("it goes over places, and those that are added count"),
        }
    }
    one(left(&tensor, &axes, reduce.keep).map(|content| folded(reduce.kind, content)))
}

/// The tensor without the axes that are reduced.
fn left(tensor: &Longer, reduced: &[usize], keep: bool) -> Longer {
    let before = |axis: usize| if keep { 0 } else { reduced.iter().filter(|&&other| other < axis).count() };
    let kept = tensor.axes.iter().filter(|longer| !reduced.contains(&longer.axis));
    let axes = kept.map(|longer| Axis { axis: longer.axis - before(longer.axis), ..longer.clone() });
    // What is left holds what comes of elements behind the end of reduced axes too.
    let real = tensor.axes.iter().filter(|longer| reduced.contains(&longer.axis));
    let real = real.fold(tensor.real.clone(), |real, longer| real.or(&longer.pad));
    Longer { real, axes: axes.collect() }
}

/// What a reduction makes of elements.
fn folded(kind: Kind, content: &Content) -> Content {
    match (kind, content.sign()) {
        (Kind::Max | Kind::Min | Kind::Mean, _) if content.number().is_some() => content.clone(),
        (Kind::Max | Kind::Min, _) if content.is_low() => Content::Low,
        (_, Some(_)) if content.is_zero() && kind == Kind::Sum => content.clone(),
        (Kind::Sum | Kind::Mean | Kind::Max | Kind::Min, Some(sign)) => Content::Computed(sign),
        (Kind::L1 | Kind::L2 | Kind::SumSquare, Some(_)) => Content::Computed(Sign::NotNegative),
        (Kind::Max | Kind::Min | Kind::Sum | Kind::Mean, None) if !content.is_low() => {
            Content::given([content])
        }
        _ => Content::Any,
    }
}
