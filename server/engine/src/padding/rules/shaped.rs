//! Operators that make a tensor of a shape they are given.

use super::super::{
    content::Content,
    scope::{Cause, Made, Scope, one},
    state::{Anchored, Axis, Longer},
};
use crate::{
    graph::SymDim,
    ops::tensor::{constant::ConstantOfShape, expand::Expand, range::Range},
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    if operator::<Expand>(scope.node).is_some() {
        return (!scope.is_length(0)).then(|| expanded(scope));
    }
    if operator::<Range>(scope.node).is_some() {
        return Some(counted(scope));
    }
    let filled = operator::<ConstantOfShape>(scope.node)?;
    scope.is_length(0).then(|| {
        let to = scope.made(0)?;
        if to.contains(&SymDim::Unknown) {
            return Err("a shape is not known");
        }
        one(filled_to(&Content::of(&filled.value), to, scope.dimension))
    })
}

/// A tensor of a shape with the dimension in it that holds one thing everywhere.
fn filled_to(content: &Content, to: &[SymDim], dimension: &SymDim) -> Longer {
    let long = to.iter().enumerate().filter(|(_, dim)| *dim == dimension);
    Longer { real: content.clone(), axes: long.map(|(axis, _)| stretched(axis, content)).collect() }
}

/// An axis along which the same is repeated.
fn stretched(axis: usize, content: &Content) -> Axis {
    Axis { axis, pad: content.clone(), anchor: Anchored::always(content.clone()) }
}

/// `Range`: from 0 in steps of 1 up to the length.
fn counted(scope: &Scope<'_>) -> Made {
    match scope.made(0)?[..] {
        [ref dim] if dim == scope.dimension => {
            one(filled_to(&Content::Position(0), scope.made(0)?, scope.dimension))
        }
        _ => Err("a range does not go from 0 to the length in steps of 1"),
    }
}

fn expanded(scope: &Scope<'_>) -> Made {
    let (tensor, by_length) = scope.given_a_shape()?;
    if tensor.axes.is_empty() && !by_length {
        return one(tensor.clone());
    }
    let (from, to) = (scope.shape(0)?, scope.made(0)?);
    let before = to.len().checked_sub(from.len()).ok_or("a shape is not known")?;
    let mut made = tensor.moved(|axis| Some(axis + before)).ok_or("a shape is not known")?;
    let all = tensor.all();
    for (axis, dim) in to.iter().enumerate() {
        let own = axis.checked_sub(before).map(|at| &from[at]);
        if is_stretched(scope, made.along(axis).is_some(), own, dim)? {
            made.axes.push(stretched(axis, &all));
        }
    }
    one(made)
}

/// Whether an axis of size `own` becomes as long as the dimension.
fn is_stretched(scope: &Scope<'_>, long: bool, own: Option<&SymDim>, to: &SymDim) -> Result<bool, Cause> {
    const UNKNOWN: Cause = "it is not known which axes it makes as long";
    let single = own.is_none_or(|own| *own == SymDim::Known(1));
    match to {
        dim if dim == scope.dimension => Ok(single && !long),
        _ if long => Err(UNKNOWN),
        SymDim::Unknown if scope.is_length(1) => Err(UNKNOWN),
        _ => Ok(false),
    }
}
