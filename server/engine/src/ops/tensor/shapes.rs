//! Arithmetic on axes, sizes and places that come from a model or a request: every value is checked here.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    value::{ElemType, Tensor},
};

/// The most dimensions that a shape tensor is believed to describe: its length is a number of the file's.
const MAX_RANK: usize = 64;

/// The dimension that `axis` names in a tensor of `rank`; a negative one counts from the end.
///
/// # Errors
/// `Invalid` outside `-rank..rank`.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize> {
    place(axis, rank).ok_or_else(|| {
        OpError::invalid(format!("axis {axis} is out of range for a tensor of {rank} dimensions"))
    })
}

/// The dimensions that `axes` name, in their order.
///
/// # Errors
/// `Invalid` where one is out of range or named twice.
pub(super) fn axes(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut seen = vec![false; rank];
    let mut named = |value: &i64| {
        let axis = axis(*value, rank)?;
        if std::mem::replace(&mut seen[axis], true) {
            return Err(OpError::invalid(format!("axis {value} is named twice")));
        }
        Ok(axis)
    };
    axes.iter().map(&mut named).collect()
}

/// The place that `index` means among `size`; a negative one counts from the end.
pub(crate) fn place(index: i64, size: usize) -> Option<usize> {
    let size_signed = i64::try_from(size).ok()?;
    let from_start = if index < 0 { index.checked_add(size_signed)? } else { index };
    usize::try_from(from_start).ok().filter(|&place| place < size)
}

/// The place that a data index means in a dimension of `size`.
///
/// # Errors
/// `Invalid` outside `-size..size`.
pub(super) fn index(index: i64, size: usize) -> Result<usize> {
    place(index, size).ok_or_else(|| {
        OpError::invalid(format!("index {index} is out of range for a dimension of size {size}"))
    })
}

/// A size that came as an integer.
///
/// # Errors
/// `Invalid` for a negative one.
pub(super) fn size(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| OpError::invalid(format!("a size must not be negative, got {value}")))
}

/// Sizes that came as integers.
///
/// # Errors
/// `Invalid` for a negative one.
pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>> {
    values.iter().map(|&value| size(value)).collect()
}

/// The distance between neighbours along each dimension of a row-major tensor. Meaningless, but no error,
/// for one without elements.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].wrapping_mul(shape[i]);
    }
    strides
}

/// The offset of every position of `shape`, in row-major order, in storage with these strides.
pub(super) fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut all = vec![0usize];
    for (&dim, &stride) in shape.iter().zip(strides) {
        all = all.iter().flat_map(|&base| (0..dim).map(move |i| base + i * stride)).collect();
    }
    all
}

/// The shape that two shapes broadcast to.
///
/// # Errors
/// `Invalid` where they do not.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let joined = (0..rank).map(|i| match (dim(a, i), dim(b, i)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    });
    joined
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| OpError::invalid(format!("shapes {a:?} and {b:?} do not broadcast")))
}

/// Known sizes as dimensions.
pub(super) fn known(shape: &[usize]) -> SymShape {
    shape.iter().map(|&size| SymDim::Known(size)).collect()
}

/// As many unknown dimensions as the shape tensor of this fact has elements, where that is a sensible rank.
pub(super) fn of_length(fact: Option<&Fact>) -> Option<SymShape> {
    let len = fact?.shape.as_ref()?.first()?.known()?;
    (len <= MAX_RANK).then(|| unknown(len))
}

/// The contents of a small integer tensor that describes a shape, element by element as far as they are
/// known (a negative one counts as unknown); `None` where not even their number is known.
pub(super) fn contents(fact: Option<&Fact>) -> Option<SymShape> {
    let fact = fact?;
    if fact.dims.is_some() {
        return fact.dims.clone();
    }
    let len = match fact.shape.as_deref()? {
        [] => 1,
        [SymDim::Known(len)] if *len <= MAX_RANK => *len,
        _ => return None,
    };
    if !fact.elem.is_some_and(ElemType::is_int) {
        return None;
    }
    let dim = |value: i64| usize::try_from(value).map_or(SymDim::Unknown, SymDim::Known);
    let constant = fact.constant_ints().map(|ints| ints.into_iter().map(dim).collect());
    Some(constant.unwrap_or_else(|| vec![SymDim::Unknown; len]))
}

/// The fact of an `INT64` tensor of rank 1, or of rank 0 where `scalar`, with these contents; a constant
/// where all are known.
pub(super) fn describes(contents: SymShape, scalar: bool) -> Fact {
    let shape = if scalar { vec![] } else { vec![contents.len()] };
    let ints: Option<Vec<i64>> =
        contents.iter().map(|dim| dim.known().and_then(|size| i64::try_from(size).ok())).collect();
    let tensor = ints.and_then(|ints| Tensor::from_vec(shape.clone(), ints).ok());
    if let Some(tensor) = tensor {
        return Fact::of_constant(&tensor.into());
    }
    Fact { dims: Some(contents), ..Fact::known(ElemType::I64, &shape) }
}

/// The facts of a node with one output.
pub(super) fn one_fact(elem: Option<ElemType>, shape: Option<SymShape>) -> Result<Vec<Fact>> {
    Ok(vec![Fact::tensor(elem, shape)])
}

/// `rank` dimensions of any size.
pub(super) fn unknown(rank: usize) -> SymShape {
    vec![SymDim::Unknown; rank]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_count_from_both_ends_and_stay_in_range() {
        assert_eq!(axes(&[-1, 0], 3).unwrap(), [2, 0]);
        assert!(axes(&[3], 3).is_err());
        assert!(axes(&[-4], 3).is_err());
        assert!(axes(&[0, -3], 3).is_err());
        assert!(axis(i64::MIN, 3).is_err());
        assert!(axis(0, 0).is_err());
    }

    #[test]
    fn shapes_broadcast_from_the_right() {
        assert_eq!(broadcast(&[3, 1], &[2, 1, 4]).unwrap(), [2, 3, 4]);
        assert_eq!(broadcast(&[], &[0]).unwrap(), [0]);
        assert!(broadcast(&[2], &[3]).is_err());
    }

    #[test]
    fn offsets_follow_the_strides() {
        assert_eq!(offsets(&[2, 3], &strides(&[2, 3])), [0, 1, 2, 3, 4, 5]);
        assert_eq!(offsets(&[2, 2], &[1, 10]), [0, 10, 1, 11]);
        assert!(offsets(&[2, 0], &[1, 1]).is_empty());
    }
}
