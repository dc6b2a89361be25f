//! Queries, keys and values as one matrix for each head, where they lie.

use crate::{
    error::{OpError, Result},
    kernels::{
        matrix::{Layout, Mat},
        real::Real,
    },
    value::{ElemType, Tensor, checked_len},
};

use super::super::real::{self, Elements, elements};

/// How far apart batches, heads and tokens lie, in elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strides {
    pub(super) batch: usize,
    pub(super) head: usize,
    pub(super) row: usize,
}

impl Strides {
    /// Of `[batch, heads, len, width]`.
    const fn heads_first(heads: usize, len: usize, width: usize) -> Self {
        Self { batch: heads * len * width, head: len * width, row: width }
    }

    /// Of `[batch, len, heads, width]`.
    const fn tokens_first(heads: usize, len: usize, width: usize) -> Self {
        Self { batch: heads * len * width, head: width, row: heads * width }
    }

    /// The place of a head's first element.
    pub(super) const fn offset(&self, batch: usize, head: usize) -> usize {
        batch * self.batch + head * self.head
    }
}

/// Tokens of several heads.
pub(super) struct Heads<'a, T> {
    data: Elements<'a, T>,
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) len: usize,
    pub(super) width: usize,
    pub(super) heads_first: bool,
}

impl<'a, T: Real> Heads<'a, T> {
    /// The tokens of `[batch, heads, len, width]`, or `[batch, len, heads * width]` with the number of heads.
    pub(super) fn new(tensor: &'a Tensor, heads: Option<usize>) -> Result<Self> {
        let (batch, heads, len, width, heads_first) = match (&tensor.shape()[..], heads) {
            (&[batch, heads, len, width], _) => (batch, heads, len, width, true),
            (&[batch, len, hidden], Some(heads)) if heads > 0 && hidden.is_multiple_of(heads) => {
                (batch, heads, len, hidden / heads, false)
            }
            (shape, _) => {
                return Err(OpError::invalid(format!(
                    "expected [batch, heads, tokens, head], or [batch, tokens, hidden] with the number of \
                     heads, got {shape:?}"
                )));
            }
        };
        checked_len::<T>(tensor.shape())?;
        Ok(Self { data: elements(tensor)?, batch, heads, len, width, heads_first })
    }

    fn strides(&self) -> Strides {
        self.rows_of(self.width)
    }

    /// The strides of rows of another width that lie as these do.
    pub(super) const fn rows_of(&self, width: usize) -> Strides {
        if self.heads_first {
            Strides::heads_first(self.heads, self.len, width)
        } else {
            Strides::tokens_first(self.heads, self.len, width)
        }
    }

    /// As the kernel takes them.
    pub(super) fn all(&self) -> (&[T], Strides) {
        (&self.data, self.strides())
    }

    /// One head's tokens.
    pub(super) fn matrix(&self, batch: usize, head: usize) -> Result<Mat<'_, T>> {
        let strides = self.strides();
        let layout = Layout { rows: self.len, cols: self.width, row_stride: strides.row, col_stride: 1 };
        Mat::new(&self.data, strides.offset(batch, head), layout)
    }

    /// The sizes, for messages.
    pub(super) fn describe(&self) -> String {
        format!("{}x{}x{}x{}", self.batch, self.heads, self.len, self.width)
    }

    /// These tokens behind those of `past`, `[batch, heads, past, width]`.
    pub(super) fn after(self, past: Option<&Tensor>) -> Result<Self> {
        let Some(past) = past else { return Ok(self) };
        let before = Heads::<T>::new(past, None)?;
        if (before.batch, before.heads, before.width) != (self.batch, self.heads, self.width) {
            let (new, past) = (self.describe(), before.describe());
            return Err(OpError::invalid(format!("a past of {past} does not fit tokens of {new}")));
        }
        let len = before.len + self.len;
        let mut data = Vec::with_capacity(checked_len::<T>(&[self.batch, self.heads, len, self.width])?);
        for batch in 0..self.batch {
            for head in 0..self.heads {
                before.append(batch, head, &mut data);
                self.append(batch, head, &mut data);
            }
        }
        Ok(Heads { data: Elements::Converted(data), len, heads_first: true, ..self })
    }

    fn append(&self, batch: usize, head: usize, to: &mut Vec<T>) {
        let strides = self.strides();
        let start = strides.offset(batch, head);
        let rows = (0..self.len).map(|row| start + row * strides.row);
        rows.for_each(|row| to.extend_from_slice(&self.data[row..row + self.width]));
    }

    /// As `[batch, heads, len, width]`.
    pub(super) fn tensor(&self, elem: ElemType) -> Result<Tensor> {
        let shape = [self.batch, self.heads, self.len, self.width];
        if self.heads_first {
            return real::tensor(elem, &shape, self.data.to_vec());
        }
        let mut data = Vec::with_capacity(self.data.len());
        for batch in 0..self.batch {
            (0..self.heads).for_each(|head| self.append(batch, head, &mut data));
        }
        real::tensor(elem, &shape, data)
    }
}
