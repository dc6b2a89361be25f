//! Axes as models give them: by attribute or by input, negative ones from the end.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
};

/// `axis` as an index of one of `rank` dimensions.
///
/// # Errors
/// `Invalid` outside of `-rank..rank`.
pub(crate) fn index(axis: i64, rank: usize) -> Result<usize> {
    let from_start = if axis < 0 { axis.checked_add_unsigned(rank as u64) } else { Some(axis) };
    from_start
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|&axis| axis < rank)
        .ok_or_else(|| OpError::invalid(format!("axis {axis} is outside of a tensor of {rank} dimensions")))
}

/// Which of `rank` dimensions `axes` name.
///
/// # Errors
/// `Invalid` for an axis outside of them.
pub(crate) fn mask(axes: &[i64], rank: usize) -> Result<Vec<bool>> {
    let mut mask = vec![false; rank];
    for &axis in axes {
        mask[index(axis, rank)?] = true;
    }
    Ok(mask)
}

/// The dimensions that are left of `dims` where those of `mask` are reduced to 1, or with `keep` false to
/// nothing.
pub(crate) fn reduced<D: Clone>(dims: &[D], mask: &[bool], keep: bool, one: &D) -> Vec<D> {
    let kept = dims.iter().zip(mask).filter(|(_, reduced)| keep || !**reduced);
    kept.map(|(dim, &reduced)| if reduced { one.clone() } else { dim.clone() }).collect()
}

/// As [`reduced`], of what is known of an input; `axes` is `None` where a run decides them.
///
/// # Errors
/// `Invalid` for an axis that the input lacks.
pub(crate) fn reduced_dims(
    input: Option<&Fact>,
    axes: Option<&[i64]>,
    keep: bool,
) -> Result<Option<SymShape>> {
    let Some(dims) = input.and_then(|fact| fact.shape.as_ref()) else { return Ok(None) };
    match axes {
        Some(axes) => Ok(Some(reduced(dims, &mask(axes, dims.len())?, keep, &SymDim::Known(1)))),
        None if keep => Ok(Some(vec![SymDim::Unknown; dims.len()])),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_count_from_either_end() {
        assert_eq!((index(-1, 3).ok(), index(0, 3).ok(), index(3, 3).ok()), (Some(2), Some(0), None));
        assert_eq!((index(-4, 3).ok(), index(i64::MIN, 3).ok(), index(0, 0).ok()), (None, None, None));
        assert_eq!(reduced(&[2, 3, 4], &[true, false, true], true, &1), [1, 3, 1]);
        assert_eq!(reduced(&[2, 3, 4], &[true, false, true], false, &1), [3]);
    }
}
