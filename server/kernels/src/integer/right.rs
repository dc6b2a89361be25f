//! The right operand, packed once: panels of 16 columns, in each of which the 4 elements that are multiplied
//! at once lie side by side.

use super::{COLUMNS, DEPTH, OFFSET};
use crate::huge::Huge;

/// Bytes that one step of the depth takes in a panel.
pub(super) const STEP: usize = COLUMNS * DEPTH;

/// A packed matrix `[depth, columns]`. Invariant: `data` holds `panels * steps * STEP` bytes, zero where the
/// matrix ends; `sums` holds the sum of each column.
#[derive(Clone, Debug)]
pub struct Right {
    pub(super) data: Huge<i8>,
    pub(super) depth: usize,
    pub(super) columns: usize,
    pub(super) sums: Vec<i32>,
    /// What was added to every element.
    pub(super) offset: i32,
}

impl Right {
    /// Packs rows of signed elements; `None` where the length does not fit.
    pub fn of_i8(data: &[i8], depth: usize, columns: usize) -> Option<Self> {
        (depth.checked_mul(columns)? == data.len())
            .then(|| Self::pack(depth, columns, 0, |i, j| data[i * columns + j]))?
    }

    /// Packs rows of unsigned elements; `None` where the length does not fit.
    pub fn of_u8(data: &[u8], depth: usize, columns: usize) -> Option<Self> {
        let signed = |v: u8| (v ^ 0x80).cast_signed();
        (depth.checked_mul(columns)? == data.len())
            .then(|| Self::pack(depth, columns, -OFFSET, |i, j| signed(data[i * columns + j])))?
    }

    /// As [`Self::of_i8`], of a matrix that is given turned: `[columns, depth]`.
    pub fn of_turned_i8(data: &[i8], depth: usize, columns: usize) -> Option<Self> {
        (depth.checked_mul(columns)? == data.len())
            .then(|| Self::pack(depth, columns, 0, |i, j| data[j * depth + i]))?
    }

    /// As [`Self::of_u8`], of a matrix that is given turned: `[columns, depth]`.
    pub fn of_turned_u8(data: &[u8], depth: usize, columns: usize) -> Option<Self> {
        let signed = |v: u8| (v ^ 0x80).cast_signed();
        (depth.checked_mul(columns)? == data.len())
            .then(|| Self::pack(depth, columns, -OFFSET, |i, j| signed(data[j * depth + i])))?
    }

    fn pack(depth: usize, columns: usize, offset: i32, at: impl Fn(usize, usize) -> i8) -> Option<Self> {
        let steps = depth.div_ceil(DEPTH);
        let size = columns.div_ceil(COLUMNS).checked_mul(steps)?.checked_mul(STEP)?;
        let mut sums = vec![0i32; columns];
        let data = Huge::new(size, |data| {
            for (column, sum) in sums.iter_mut().enumerate() {
                let panel = column / COLUMNS * steps * STEP + column % COLUMNS * DEPTH;
                for i in 0..depth {
                    let value = at(i, column);
                    data[panel + i / DEPTH * STEP + i % DEPTH] = value;
                    *sum = sum.wrapping_add(i32::from(value));
                }
            }
        });
        Some(Self { data, depth, columns, sums, offset })
    }

    /// Rows of the matrix.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of the matrix.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.sums.len() * size_of::<i32>()
    }

    pub(super) const fn steps(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }
}
