//! Constants that are one row of numbers, whatever their rank.

use crate::{graph::ValueId, passes::rewrite::View, value::ElemType};

/// A constant of f32 and at most `rank` axes that is one row of `n` numbers, or one number for all of them.
pub(super) fn row(view: &View<'_>, id: ValueId, n: usize, rank: usize) -> Option<Vec<f32>> {
    let tensor = view.constant(id).filter(|tensor| tensor.elem() == ElemType::F32)?;
    let (last, before) =
        tensor.shape().split_last().map_or((1, 1), |(&last, rest)| (last, rest.iter().product()));
    if before != 1 || (last != n && last != 1) || tensor.rank() > rank {
        return None;
    }
    Some(tensor.view::<f32>().ok()?.iter().copied().cycle().take(n).collect())
}
