//! Operators that work on what lies behind a place, or on one place after the other: normalisation, recurrence.

use super::super::{
    content::Content,
    scope::{Made, Scope},
    state::{Longer, State},
};
use crate::{
    ops::nn::{layer_norm::LayerNorm, recurrent::Recurrent},
    passes::rewrite::operator,
};

pub(super) fn rule(scope: &mut Scope<'_>) -> Option<Made> {
    if let Some(norm) = operator::<LayerNorm>(scope.node) {
        return Some(normalised(scope, norm));
    }
    operator::<Recurrent>(scope.node).map(|recurrent| repeated(scope, recurrent))
}

fn computed(tensor: &Longer) -> Longer {
    tensor.map(|content| if content.is_sane() { Content::COMPUTED } else { Content::Any })
}

fn normalised(scope: &Scope<'_>, norm: &LayerNorm) -> Made {
    let tensor = scope.tensor(0)?;
    let first = norm.first_axis(scope.shape(0)?.len()).ok_or("its axis is not known")?;
    if tensor.axes.iter().any(|longer| longer.axis >= first) {
        return Err("it normalises over places");
    }
    if !scope.same_from(1) {
        return Err("its weights are padded");
    }
    Ok(vec![State::Tensor(computed(tensor)); scope.node.outputs.len()])
}

fn repeated(scope: &Scope<'_>, recurrent: &Recurrent) -> Made {
    const LENGTHS: usize = 4;
    let tensor = scope.tensor(0)?;
    let steps = recurrent.steps_axis();
    if tensor.axes.iter().any(|longer| longer.axis != steps) || !scope.same_from(1) {
        return Err("its batch or its weights are padded");
    }
    if !recurrent.is_forward() {
        return Err("it begins at the last place");
    }
    if scope.inputs.get(LENGTHS).is_some_and(Option::is_some) {
        return Err("it takes lengths of its own");
    }
    // The others are the state after the last place.
    Ok(vec![State::Tensor(computed(tensor))])
}
