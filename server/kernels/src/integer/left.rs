//! The left operand: rows of `u8`, padded to whole steps of the depth.

use std::borrow::Cow;

use super::{DEPTH, OFFSET};

/// A matrix `[rows, depth]` as the products read it. Invariant: `data` holds `rows` rows of `stride` bytes,
/// and `stride` is the depth, rounded up to [`DEPTH`].
#[derive(Clone, Debug)]
pub struct Left<'a> {
    pub(super) data: Cow<'a, [u8]>,
    pub(super) rows: usize,
    pub(super) depth: usize,
    /// What was added to every element.
    pub(super) offset: i32,
}

impl<'a> Left<'a> {
    /// Over unsigned elements, read in place where the depth is a multiple of 4; `None` where the length does
    /// not fit.
    pub fn of_u8(data: &'a [u8], rows: usize, depth: usize) -> Option<Self> {
        if rows.checked_mul(depth)? != data.len() {
            return None;
        }
        if depth.is_multiple_of(DEPTH) {
            return Some(Self { data: Cow::Borrowed(data), rows, depth, offset: 0 });
        }
        Self::copied(rows, depth, 0, |i, row| row.copy_from_slice(&data[i * depth..(i + 1) * depth]))
    }

    /// Over signed elements; `None` where the length does not fit.
    pub fn of_i8(data: &[i8], rows: usize, depth: usize) -> Option<Self> {
        if rows.checked_mul(depth)? != data.len() {
            return None;
        }
        Self::copied(rows, depth, OFFSET, |i, row| {
            for (to, &from) in row.iter_mut().zip(&data[i * depth..(i + 1) * depth]) {
                *to = from.cast_unsigned() ^ 0x80;
            }
        })
    }

    fn copied(rows: usize, depth: usize, offset: i32, mut row: impl FnMut(usize, &mut [u8])) -> Option<Self> {
        let stride = depth.checked_next_multiple_of(DEPTH)?;
        let mut data = vec![0; rows.checked_mul(stride)?];
        for (i, to) in data.chunks_exact_mut(stride.max(1)).enumerate() {
            row(i, &mut to[..depth]);
        }
        Some(Self { data: Cow::Owned(data), rows, depth, offset })
    }

    /// Bytes of a row.
    pub(super) const fn stride(&self) -> usize {
        self.depth.next_multiple_of(DEPTH)
    }

    /// The sum of each row's elements, as they are kept.
    pub(super) fn sums(&self) -> Vec<i32> {
        let row = |i: usize| &self.data[i * self.stride()..i * self.stride() + self.depth];
        // Depths are far below the 2^23 that would overflow; beyond them sums wrap, as products do.
        let sum = |row: &[u8]| row.iter().fold(0i32, |sum, &v| sum.wrapping_add(i32::from(v)));
        (0..self.rows).map(|i| sum(row(i))).collect()
    }
}
