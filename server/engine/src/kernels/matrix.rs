//! Matrices over slices: bounds are checked when one is made, so that kernels need not.

use std::marker::PhantomData;

use crate::error::{OpError, Result};

/// How a matrix lies in memory: sizes, and the distance in elements from one row and column to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl Layout {
    /// Rows one after the other.
    pub(crate) const fn dense(rows: usize, cols: usize) -> Self {
        Self { rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The same memory, read as the transposed matrix.
    pub(crate) const fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// Elements from the first to the last, both included; `None` where that overflows.
    fn span(self) -> Option<usize> {
        if self.rows == 0 || self.cols == 0 {
            return Some(0);
        }
        let down = (self.rows - 1).checked_mul(self.row_stride)?;
        let across = (self.cols - 1).checked_mul(self.col_stride)?;
        down.checked_add(across)?.checked_add(1)
    }

    fn check(self, offset: usize, len: usize) -> Result<()> {
        let end = self.span().and_then(|span| span.checked_add(offset));
        match end {
            Some(end) if end <= len || self.span() == Some(0) => Ok(()),
            _ => Err(OpError::invalid(format!(
                "a matrix of {}x{} does not fit into {len} elements",
                self.rows, self.cols
            ))),
        }
    }
}

/// A matrix to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mat<'a, T> {
    start: *const T,
    layout: Layout,
    data: PhantomData<&'a [T]>,
}

impl<'a, T> Mat<'a, T> {
    /// The matrix of `layout` that begins at `offset` of `data`.
    ///
    /// # Errors
    /// `Invalid` where it reaches beyond the slice.
    pub(crate) fn new(data: &'a [T], offset: usize, layout: Layout) -> Result<Self> {
        layout.check(offset, data.len())?;
        let start = data.get(offset..).unwrap_or_default().as_ptr();
        Ok(Self { start, layout, data: PhantomData })
    }

    /// `len` columns from column `first` on.
    ///
    /// # Errors
    /// `Invalid` where there are not so many.
    pub(crate) fn columns(&self, first: usize, len: usize) -> Result<Self> {
        let layout = self.layout;
        if first.checked_add(len).is_none_or(|end| end > layout.cols) {
            return Err(OpError::invalid(format!("a matrix of {} columns has too few", layout.cols)));
        }
        // SAFETY: the first element of a column of this matrix lies within its slice; without rows or columns
        // nothing is read, and the pointer stays where it is.
        let start = if len == 0 || layout.rows == 0 {
            self.start
        } else {
            unsafe { self.start.add(first * layout.col_stride) }
        };
        Ok(Self { start, layout: Layout { cols: len, ..layout }, data: PhantomData })
    }

    /// The transposed matrix, where it lies.
    pub(crate) const fn transposed(&self) -> Mat<'a, T> {
        Mat { start: self.start, layout: self.layout.transposed(), data: PhantomData }
    }

    /// Where it begins; every place of [`Self::layout`] from here may be read.
    pub(super) const fn start(&self) -> *const T {
        self.start
    }

    /// How it lies in memory.
    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }
}

/// A matrix to write; columns lie side by side.
#[derive(Debug)]
pub(crate) struct MatMut<'a, T> {
    start: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    data: PhantomData<&'a mut [T]>,
}

impl<'a, T> MatMut<'a, T> {
    /// The matrix of `rows` and `cols` over `data`, rows one after the other.
    ///
    /// # Errors
    /// `Invalid` where the slice is too short.
    pub(crate) fn new(data: &'a mut [T], rows: usize, cols: usize) -> Result<Self> {
        Layout::dense(rows, cols).check(0, data.len())?;
        Ok(Self { start: data.as_mut_ptr(), rows, cols, row_stride: cols, data: PhantomData })
    }

    /// Where it begins.
    pub(super) const fn start(&mut self) -> *mut T {
        self.start
    }

    /// The same matrix for a while.
    pub(crate) const fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { data: PhantomData, ..*self }
    }

    /// Number of rows.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) const fn cols(&self) -> usize {
        self.cols
    }

    /// Distance from one row to the next.
    pub(super) const fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// A row; empty beyond the last.
    pub(crate) fn row(&mut self, row: usize) -> &mut [T] {
        if row >= self.rows || self.cols == 0 {
            return &mut [];
        }
        // SAFETY: the row lies within the memory that this matrix was made for and alone writes (checked by
        // `new`, promised to `Shared::window`), and the borrow of `self` keeps other rows out.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.cols) }
    }
}

/// A slice that several threads write in places that do not meet.
#[derive(Debug)]
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    data: PhantomData<&'a mut [T]>,
}

// SAFETY: it gives access to elements only through `window`, whose callers promise that no two live windows
// share an element; moving `T` values between threads needs `T: Send`.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Over `data`.
    pub(crate) const fn new(data: &'a mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), data: PhantomData }
    }

    /// The matrix of `layout` (columns side by side) that begins at `offset`.
    ///
    /// # Safety
    /// No element of it may belong to another window while this one lives.
    ///
    /// # Errors
    /// `Invalid` where it reaches beyond the slice.
    pub(super) unsafe fn window(&self, offset: usize, layout: Layout) -> Result<MatMut<'a, T>> {
        let layout = Layout { col_stride: 1, ..layout };
        layout.check(offset, self.len)?;
        let Layout { rows, cols, row_stride, .. } = layout;
        if cols > row_stride && rows > 1 {
            return Err(OpError::invalid("rows of an output overlap"));
        }
        // SAFETY: `check` found the first element, if there is any, within the slice.
        let start = if rows * cols == 0 { self.start } else { unsafe { self.start.add(offset) } };
        Ok(MatMut { start, rows, cols, row_stride, data: PhantomData })
    }
}
