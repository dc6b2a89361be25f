//! The scores of one head: a row for each query, a column for each key.

use crate::{
    error::Result,
    kernels::{
        gemm::{Into, product},
        matrix::{Layout, Mat, MatMut},
        real::Real,
    },
    value::checked_len,
};

/// See the module.
pub(super) struct Scores<T> {
    all: Vec<T>,
    queries: usize,
    keys: usize,
}

impl<T: Real> Scores<T> {
    pub(super) fn new(queries: usize, keys: usize) -> Result<Self> {
        Ok(Self { all: vec![T::zero(); checked_len::<T>(&[queries, keys])?], queries, keys })
    }

    pub(super) fn all(&self) -> &[T] {
        &self.all
    }

    /// The products of queries and keys, times `scale`.
    pub(super) fn multiply(&mut self, queries: Mat<'_, T>, keys: Mat<'_, T>, scale: T) -> Result<()> {
        let out = MatMut::new(&mut self.all, self.queries, self.keys)?;
        product(out, Into::Replace, scale, queries, keys.transposed())
    }

    /// Calls `f` with each query's number and scores.
    pub(super) fn each_row(&mut self, mut f: impl FnMut(usize, &mut [T])) {
        self.all.chunks_exact_mut(self.keys.max(1)).enumerate().for_each(|(row, scores)| f(row, scores));
    }

    /// Makes each row a distribution; one without a key that may be seen becomes zeros.
    pub(super) fn softmax(&mut self) {
        self.each_row(|_, row| {
            let max = row.iter().fold(T::neg_infinity(), |max, &v| if v > max { v } else { max });
            if max == T::neg_infinity() && !row.iter().any(|v| v.is_nan()) {
                row.fill(T::zero());
                return;
            }
            row.iter_mut().for_each(|v| *v = (*v - max).exp());
            let sum: T = row.iter().copied().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        });
    }

    /// The values summed by each row, into rows of `width`.
    pub(super) fn sum(&self, values: Mat<'_, T>, into: &mut [T], width: usize) -> Result<()> {
        let weights = Mat::new(&self.all, 0, Layout::dense(self.queries, self.keys))?;
        product(MatMut::new(into, self.queries, width)?, Into::Replace, T::one(), weights, values)
    }
}
