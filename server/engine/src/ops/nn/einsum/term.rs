//! One operand: dense elements with a label for each axis, each label once.

use std::collections::BTreeMap;

use crate::{
    error::{OpError, Result},
    value::checked_len,
};

use super::{
    super::{broadcast::places, real::dense_strides, ring::Ring},
    equation::Label,
};

/// The size of every label.
pub(super) struct Sizes(BTreeMap<Label, usize>);

impl Sizes {
    /// The sizes that operands of these labels and shapes have in common; 1 is stretched.
    ///
    /// # Errors
    /// `Invalid` where two differ.
    pub(super) fn new<'a>(shapes: impl Iterator<Item = (&'a [Label], &'a [usize])>) -> Result<Self> {
        let mut sizes = BTreeMap::new();
        for (&label, &size) in shapes.flat_map(|(labels, shape)| labels.iter().zip(shape)) {
            let known = sizes.entry(label).or_insert(size);
            match (*known, size) {
                (1, size) => *known = size,
                (known, size) if known == size || size == 1 => {}
                (known, size) => {
                    return Err(OpError::invalid(format!("one label stands for sizes {known} and {size}")));
                }
            }
        }
        Ok(Self(sizes))
    }

    /// The sizes of these labels.
    pub(super) fn of(&self, labels: &[Label]) -> Vec<usize> {
        labels.iter().map(|label| self.0.get(label).copied().unwrap_or(1)).collect()
    }
}

/// See the module.
pub(super) struct Term<T> {
    data: Vec<T>,
    labels: Vec<Label>,
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl<T: Ring> Term<T> {
    /// An operand: a label that stands twice is its diagonal, an axis that is stretched is left out.
    ///
    /// # Errors
    /// `Invalid` where a diagonal's sizes differ.
    pub(super) fn new(data: Vec<T>, labels: &[Label], shape: &[usize], sizes: &Sizes) -> Result<Self> {
        let mut term = Self { data, labels: vec![], sizes: vec![], strides: vec![] };
        let strides = dense_strides(shape);
        let full = sizes.of(labels);
        for (((&label, &size), &stride), full) in labels.iter().zip(shape).zip(&strides).zip(full) {
            if size == 1 && full != 1 {
                continue;
            }
            match term.labels.iter().position(|&own| own == label) {
                Some(i) => term.strides[i] += stride,
                None => {
                    term.labels.push(label);
                    term.sizes.push(size);
                    term.strides.push(stride);
                }
            }
        }
        Ok(term)
    }

    /// Elements in row-major order of `labels`.
    pub(super) fn dense(data: Vec<T>, labels: Vec<Label>, sizes: Vec<usize>) -> Self {
        let strides = dense_strides(&sizes).to_vec();
        Self { data, labels, sizes, strides }
    }

    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The size of a label; 1 for one that it lacks.
    pub(super) fn size(&self, label: Label) -> usize {
        self.labels.iter().position(|&own| own == label).map_or(1, |i| self.sizes[i])
    }

    /// Sums over the labels that are not in `kept`.
    ///
    /// # Errors
    /// `TooLarge` where the rest is.
    pub(super) fn keep(self, kept: &[Label]) -> Result<Self> {
        let (kept, summed): (Vec<Label>, Vec<Label>) =
            self.labels.iter().partition(|label| kept.contains(label));
        if summed.is_empty() {
            return Ok(self);
        }
        let sizes: Vec<usize> = kept.iter().map(|&label| self.size(label)).collect();
        let len = checked_len::<T>(&sizes)?;
        let row: usize = summed.iter().map(|&label| self.size(label)).product();
        let data = self.arrange(&[&kept[..], &summed[..]].concat())?;
        let mut sums = vec![T::ZERO; len];
        let rows = sums.iter_mut().zip(data.chunks_exact(row.max(1)));
        rows.for_each(|(sum, row)| *sum = row.iter().fold(T::ZERO, |sum, &v| sum.plus(v)));
        Ok(Self::dense(sums, kept, sizes))
    }

    /// The elements in row-major order of `labels`; one that it lacks has size 1.
    ///
    /// # Errors
    /// `TooLarge` where that is.
    pub(super) fn arrange(&self, labels: &[Label]) -> Result<Vec<T>> {
        let place = |label: &Label| self.labels.iter().position(|own| own == label);
        let sizes: Vec<usize> = labels.iter().map(|&label| self.size(label)).collect();
        let strides: Vec<usize> =
            labels.iter().map(|label| place(label).map_or(0, |i| self.strides[i])).collect();
        checked_len::<T>(&sizes)?;
        Ok(places(&sizes, &strides).map(|place| self.data[place]).collect())
    }
}
