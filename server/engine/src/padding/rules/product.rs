//! `MatMul`.

use super::super::{
    content::Content,
    scope::{Cause, Made, Scope, one},
    state::{Anchored, Axis, Longer},
};
use crate::{
    graph::{SymDim, SymShape},
    ops::nn::matmul::MatMul,
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    operator::<MatMul>(scope.node).map(|_| multiplied(scope))
}

/// A factor, and where its axes lie in the product.
struct Factor<'a> {
    tensor: &'a Longer,
    shape: &'a SymShape,
    /// The axis that is summed over.
    summed: usize,
    /// The axis that the other factor lacks.
    own: usize,
}

impl Factor<'_> {
    /// The factor's axis that becomes `axis` of a product of `rank`, whose own is `own`.
    fn axis(&self, axis: usize, rank: usize, own: usize) -> Option<usize> {
        match axis {
            axis if axis == own => Some(self.own),
            axis if axis + 2 >= rank => None,
            axis => axis.checked_sub(rank - self.shape.len()),
        }
    }
}

fn multiplied(scope: &Scope<'_>) -> Made {
    let (left, right) = (scope.shape(0)?, scope.shape(1)?);
    let (a, b) = (left.len(), right.len());
    if a < 2 || b < 2 {
        return Err("a vector is multiplied");
    }
    let left = Factor { tensor: scope.tensor(0)?, shape: left, summed: a - 1, own: a - 2 };
    let right = Factor { tensor: scope.tensor(1)?, shape: right, summed: b - 2, own: b - 1 };
    sums_up(&left, &right)?;
    let rank = a.max(b);
    let mut axes = Vec::new();
    for axis in 0..rank {
        let places = (left.axis(axis, rank, rank - 2), right.axis(axis, rank, rank - 1));
        if let Some(pad) = along(&left, &right, places)? {
            axes.push(Axis { axis, anchor: Anchored::always(Content::Any), pad });
        }
    }
    let real = product([&left.tensor.real, &right.tensor.real]);
    let mut made = Longer { real, axes };
    for i in 0..made.axes.len() {
        made.axes[i].anchor = Anchored::always(made.before_end(made.axes[i].axis));
    }
    one(made)
}

/// That what is added to the sums is 0.
fn sums_up(left: &Factor<'_>, right: &Factor<'_>) -> Result<(), Cause> {
    let (a, b) = (left.tensor.along(left.summed), right.tensor.along(right.summed));
    match (a, b) {
        (None, None) => Ok(()),
        (Some(a), Some(b)) if a.pad.is_zero() && b.pad.is_tame() => Ok(()),
        (Some(a), Some(b)) if a.pad.is_tame() && b.pad.is_zero() => Ok(()),
        (Some(_), Some(_)) => Err("it sums over places, and those that are added do not count as 0"),
        _ => Err("a tensor beside it is not padded"),
    }
}

/// What sums of products hold: a mask's numbers times 0 are none.
fn product(factors: [&Content; 2]) -> Content {
    if factors.iter().any(|factor| factor.is_low()) { Content::Any } else { Content::computed(factors) }
}

/// What the product holds behind the true end of an axis, where it is longer: `places` are the factors' axes.
fn along(
    left: &Factor<'_>,
    right: &Factor<'_>,
    places: (Option<usize>, Option<usize>),
) -> Result<Option<Content>, Cause> {
    let at = |factor: &Factor<'_>, place: Option<usize>| {
        let long = place.and_then(|place| factor.tensor.along(place));
        let single = place.is_none_or(|place| factor.shape[place] == SymDim::Known(1));
        (long.map(|longer| longer.pad.clone()), single)
    };
    let ((a, a_single), (b, b_single)) = (at(left, places.0), at(right, places.1));
    if a.is_none() && b.is_none() {
        return Ok(None);
    }
    if (a.is_none() && !a_single) || (b.is_none() && !b_single) {
        return Err("a tensor beside it is not padded");
    }
    let (a, b) = (a.unwrap_or_else(|| left.tensor.all()), b.unwrap_or_else(|| right.tensor.all()));
    Ok(Some(if a.is_zero() && b.is_tame() { a } else { product([&a, &b]) }))
}
