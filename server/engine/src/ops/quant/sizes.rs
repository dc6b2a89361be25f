//! The sizes of a product of batches of matrices, broadcast as numpy's.

use crate::{
    error::{OpError, Result},
    value::checked_len,
};

/// The sizes of `[.., rows, depth]` times `[.., depth, columns]`.
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) columns: usize,
    /// The result's shape, without the axes that vectors lack.
    pub(super) shape: Vec<usize>,
    /// Which left and which right matrix each product multiplies.
    pub(super) pairs: Vec<(usize, usize)>,
}

impl Sizes {
    /// # Errors
    /// `Invalid` for shapes that cannot be multiplied.
    pub(super) fn new(left: &[usize], right: &[usize]) -> Result<Self> {
        let misfit = || OpError::invalid(format!("cannot multiply {left:?} by {right:?}"));
        let full_left = if left.len() == 1 { vec![1, left[0]] } else { left.to_vec() };
        let full_right = if right.len() == 1 { vec![right[0], 1] } else { right.to_vec() };
        let ([left_batch @ .., rows, depth], [right_batch @ .., under, columns]) =
            (&full_left[..], &full_right[..])
        else {
            return Err(misfit());
        };
        if depth != under {
            return Err(misfit());
        }
        let batch = batch(left_batch, right_batch).ok_or_else(misfit)?;
        let mut shape = batch.clone();
        shape.extend((left.len() > 1).then_some(*rows));
        shape.extend((right.len() > 1).then_some(*columns));
        checked_len::<i32>(&shape)?;
        let count = checked_len::<u64>(&batch)?;
        let pairs =
            (0..count).map(|i| (place(i, &batch, left_batch), place(i, &batch, right_batch))).collect();
        let sizes = Self { rows: *rows, depth: *depth, columns: *columns, shape, pairs };
        Ok(sizes.joined(right_batch))
    }

    /// Products by one right matrix are one product of all rows.
    fn joined(mut self, right_batch: &[usize]) -> Self {
        let in_order = self.pairs.iter().enumerate().all(|(i, &(left, _))| i == left);
        if in_order && right_batch.iter().all(|&size| size == 1) {
            self.rows *= self.pairs.len();
            self.pairs = vec![(0, 0)];
        }
        self
    }
}

fn batch(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let sizes = (0..rank).map(|axis| match (size(left, axis), size(right, axis)) {
        (1, other) | (other, 1) => Some(other),
        (a, b) => (a == b).then_some(a),
    });
    sizes.collect()
}

/// The matrix of `own` that product `i` of `batch` takes.
fn place(mut i: usize, batch: &[usize], own: &[usize]) -> usize {
    let (mut place, mut step) = (0, 1);
    for (&size, &own) in batch.iter().rev().zip(own.iter().rev()) {
        if own > 1 {
            place += i % size * step;
        }
        step *= own;
        i /= size;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_broadcast() {
        let sizes = Sizes::new(&[2, 1, 3, 4], &[5, 4, 6]).unwrap();
        assert_eq!(sizes.shape, [2, 5, 3, 6]);
        assert_eq!(sizes.pairs[..6], [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]);
        let vector = Sizes::new(&[4], &[4, 6]).unwrap();
        assert_eq!((vector.shape, vector.rows), (vec![6], 1));
        assert!(Sizes::new(&[2, 3], &[2, 3]).is_err() && Sizes::new(&[], &[2]).is_err());
        assert!(Sizes::new(&[2, 3, 4], &[3, 4, 5]).is_err());
    }

    #[test]
    fn one_right_matrix_takes_all_rows_at_once() {
        let sizes = Sizes::new(&[7, 3, 4], &[4, 6]).unwrap();
        assert_eq!((sizes.rows, sizes.pairs.len()), (21, 1));
    }
}
