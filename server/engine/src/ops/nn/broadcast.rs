//! Broadcasting as numpy defines it, for the operands that this family stretches.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{SymDim, SymShape},
};

/// The common shape of two.
///
/// # Errors
/// `Invalid` where they do not fit.
pub(super) fn shape(a: &[usize], b: &[usize]) -> Result<SmallVec<[usize; 6]>> {
    let rank = a.len().max(b.len());
    let dim =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            (a, b) => Err(OpError::invalid(format!("dimensions {a} and {b} cannot be broadcast"))),
        })
        .collect()
}

/// The common shape of two that are not known fully.
pub(super) fn symbolic(a: &[SymDim], b: &[SymDim]) -> SymShape {
    let rank = a.len().max(b.len());
    let dim = |shape: &[SymDim], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(SymDim::Known(1), |axis| shape[axis].clone())
    };
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (SymDim::Known(1), other) | (other, SymDim::Known(1)) => other,
            (a, b) if a == b => a,
            (SymDim::Known(size), _) | (_, SymDim::Known(size)) => SymDim::Known(size),
            _ => SymDim::Unknown,
        })
        .collect()
}

/// `strides` of `from` as those of a tensor stretched to `to`: 0 along what is repeated.
///
/// # Errors
/// `Invalid` where `from` cannot be stretched to `to`.
pub(super) fn strides(from: &[usize], strides: &[usize], to: &[usize]) -> Result<SmallVec<[usize; 6]>> {
    let misfit = || OpError::invalid(format!("shape {from:?} cannot be broadcast to {to:?}"));
    let missing = to.len().checked_sub(from.len()).ok_or_else(misfit)?;
    let own = from.iter().zip(strides).zip(&to[missing..]).map(|((&from, &stride), &to)| match from {
        _ if from == to => Ok(stride),
        1 => Ok(0),
        _ => Err(misfit()),
    });
    (0..missing).map(|_| Ok(0)).chain(own).collect()
}

/// The places of a tensor of `shape` with `strides`, in row-major order.
pub(super) fn places<'a>(shape: &'a [usize], strides: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let len = shape.iter().product::<usize>();
    let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, shape.len());
    let mut place = 0;
    (0..len).map(move |_| {
        let current = place;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
        current
    })
}

/// `data` of shape `from`, stretched to `to`.
///
/// # Errors
/// `Invalid` where it cannot be.
pub(super) fn stretch<T: Copy>(data: &[T], from: &[usize], to: &[usize]) -> Result<Vec<T>> {
    let own = super::real::dense_strides(from);
    let strides = strides(from, &own, to)?;
    Ok(places(to, &strides).filter_map(|place| data.get(place).copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_meet_as_in_numpy() {
        assert_eq!(&shape(&[2, 1, 4], &[3, 1]).unwrap()[..], [2, 3, 4]);
        assert_eq!(&shape(&[], &[3]).unwrap()[..], [3]);
        assert_eq!(&shape(&[0], &[1]).unwrap()[..], [0]);
        assert!(shape(&[2], &[3]).is_err());
    }

    #[test]
    fn stretching_repeats() {
        assert_eq!(stretch(&[1, 2], &[2, 1], &[2, 3]).unwrap(), [1, 1, 1, 2, 2, 2]);
        assert_eq!(stretch(&[7], &[], &[2]).unwrap(), [7, 7]);
        assert!(stretch(&[1, 2], &[2], &[1]).is_err());
    }

    #[test]
    fn symbols_survive() {
        let n = SymDim::Symbol("n".into());
        assert_eq!(symbolic(std::slice::from_ref(&n), &[SymDim::Known(1)]).first(), Some(&n));
        assert_eq!(symbolic(&[n], &[SymDim::Known(3)]), [SymDim::Known(3)]);
    }
}
