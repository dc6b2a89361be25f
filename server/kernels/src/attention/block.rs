//! Blocks of query rows: scores, softmax and the product with V.

use super::{
    Attention, BLOCK, Masking, Task, Unseen,
    exponentials::{exponentials, largest},
    pack::{self, Head},
};
use crate::{
    gemm::tile::{Tile, accumulate},
    simd::Simd,
};

/// What a block works on.
#[derive(Clone, Copy)]
struct Block<'a> {
    attention: &'a Attention<'a>,
    /// The number of the first query of the block.
    first: usize,
    /// The first query.
    query: *const f32,
    query_stride: usize,
    depth: usize,
    /// K^T in panels.
    keys: *const f32,
    /// V in panels.
    values: *const f32,
    /// Rows of K and V.
    rows: usize,
    /// Columns of V.
    width: usize,
    /// The block's scores, one row each query.
    scores: *mut f32,
    /// Elements from one row of scores to the next: the keys, rounded up to whole panels.
    stride: usize,
    mask: Option<RowMask>,
    /// The block's first row of the answer.
    out: *mut f32,
    out_stride: usize,
}

/// The mask of a block's rows.
#[derive(Clone, Copy)]
struct RowMask {
    masking: Masking,
    start: *const f32,
    /// Elements from one query to the next.
    query: usize,
    /// Elements from one key to the next, 0 or 1.
    key: usize,
}

/// Computes a task, scores in panels of `KV` registers, the product in tiles of `MR` rows by `VV` registers.
#[inline(always)]
pub(super) fn task<S: Simd, const KV: usize, const VV: usize, const MR: usize>(s: S, task: &mut Task<'_>) {
    let sizes = task.attention.sizes;
    let (key_panel, value_panel) = (KV * S::LANES, VV * S::LANES);
    let [key_len, value_len, _] = task.attention.scratch();
    let key_head = task.head / (sizes.heads / sizes.key_heads);
    let start = task.scratch.as_mut_ptr();
    // SAFETY: the three parts lie side by side within the scratch, whose panels are as wide as any; keys and
    // values lie within their slices, as `checked_len` saw to.
    unsafe {
        let (key_part, value_part) = (start, start.add(key_len));
        let scores = value_part.add(value_len);
        let (key, value) = (task.attention.key, task.attention.value);
        let start = key.at(task.batch, key_head);
        let head = Head { start, stride: key.row, rows: sizes.keys, columns: sizes.depth };
        pack::transposed(head, key_panel, key_part);
        let start = value.at(task.batch, key_head);
        let head = Head { start, stride: value.row, rows: sizes.keys, columns: sizes.width };
        pack::straight(s, head, value_panel, value_part);
        let stride = sizes.keys.next_multiple_of(key_panel);
        let mut first = task.rows.start;
        while first < task.rows.end {
            let block = Block::new(task, first, (key_part, value_part, scores), stride);
            block.compute::<S, KV, VV, MR>(s, BLOCK.min(task.rows.end - first));
            first += BLOCK;
        }
    }
}

impl<'a> Block<'a> {
    /// # Safety
    /// `first` is a row of the queries.
    #[inline(always)]
    unsafe fn new(
        task: &Task<'a>,
        first: usize,
        (keys, values, scores): (*const f32, *const f32, *mut f32),
        stride: usize,
    ) -> Self {
        let (attention, sizes) = (task.attention, task.attention.sizes);
        let (start, next) = (
            attention.place(task.batch, task.head, first),
            attention.place(task.batch, task.head, first + 1),
        );
        // SAFETY: `checked_len` saw to it that every row of the queries, of the mask and of the answer lies
        // within its slice.
        unsafe {
            let mask = attention.mask.map(|mask| {
                let [batch, head, query, key] = mask.strides;
                let place = task.batch * batch + task.head * head + first * query;
                RowMask { masking: mask.masking, start: mask.data.as_ptr().add(place), query, key }
            });
            Self {
                attention,
                first,
                query: attention.query.at(task.batch, task.head).add(first * attention.query.row),
                query_stride: attention.query.row,
                depth: sizes.depth,
                keys,
                values,
                rows: sizes.keys,
                width: sizes.width,
                scores,
                stride,
                mask,
                out: task.out.at(start),
                out_stride: next - start,
            }
        }
    }

    /// # Safety
    /// The block's pointers hold for `rows` rows.
    #[inline(always)]
    unsafe fn compute<S: Simd, const KV: usize, const VV: usize, const MR: usize>(&self, s: S, rows: usize) {
        let mut factors = [0.0; BLOCK];
        // The last query sees the most keys.
        let seen = self.attention.end(self.first + rows - 1);
        // SAFETY: the caller's; panels of keys make up `stride`, of which those with a key that is seen are
        // computed and `weights` reads no others; panels of values cover `width`.
        unsafe {
            for first in (0..seen).step_by(KV * S::LANES) {
                let mut row = 0;
                while row < rows {
                    row += match rows - row {
                        6.. if S::LANES == 16 => self.scores::<S, 6, KV>(s, row, first),
                        4.. => self.scores::<S, 4, KV>(s, row, first),
                        2.. => self.scores::<S, 2, KV>(s, row, first),
                        _ => self.scores::<S, 1, KV>(s, row, first),
                    };
                }
            }
            for (row, factor) in factors.iter_mut().enumerate().take(rows) {
                *factor = self.weights(s, row, seen);
            }
            for first in (0..self.width).step_by(VV * S::LANES) {
                let mut row = 0;
                while row < rows {
                    row += match rows - row {
                        left if left >= MR => self.answers::<S, MR, VV>(s, row, first, (&factors, seen)),
                        4.. => self.answers::<S, 4, VV>(s, row, first, (&factors, seen)),
                        2.. => self.answers::<S, 2, VV>(s, row, first, (&factors, seen)),
                        _ => self.answers::<S, 1, VV>(s, row, first, (&factors, seen)),
                    };
                }
            }
        }
    }

    /// Makes a row's scores of the first `seen` keys into weights; gives what the answer is multiplied with.
    ///
    /// # Safety
    /// The block has this row, whose scores are there for the keys that it sees, at most `seen`.
    #[inline(always)]
    unsafe fn weights<S: Simd>(&self, s: S, row: usize, seen: usize) -> f32 {
        let end = self.attention.end(self.first + row);
        // SAFETY: the caller's; `seen` scores lie within the row.
        unsafe {
            let scores = self.scores.add(row * self.stride);
            let max = largest(s, scores, end);
            if max == f32::NEG_INFINITY
                && self.attention.unseen == Unseen::Zeros
                && !std::slice::from_raw_parts(scores, end).iter().any(|score| score.is_nan())
            {
                std::slice::from_raw_parts_mut(scores, seen).fill(0.0);
                return 0.0;
            }
            let sum = exponentials(s, scores, max, end);
            std::slice::from_raw_parts_mut(scores.add(end), seen - end).fill(0.0);
            1.0 / sum
        }
    }

    /// Scores of `MR` queries from `row` on with a panel of keys; gives `MR`.
    ///
    /// # Safety
    /// The block has these rows and this panel.
    #[inline(always)]
    unsafe fn scores<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        row: usize,
        first: usize,
    ) -> usize {
        // SAFETY: the caller's; the mask is read for keys that are there.
        unsafe {
            let mut queries = [self.query; MR];
            for (i, query) in queries.iter_mut().enumerate() {
                *query = self.query.add((row + i) * self.query_stride);
            }
            let panel = self.keys.add(first * self.depth);
            let mut sums: Tile<S, NV, MR> = [[s.splat(0.0); NV]; MR];
            accumulate(s, &mut sums, queries, panel, self.depth, panel);
            let (zero, scale) = (s.splat(0.0), s.splat(self.attention.scale));
            for (i, sums) in sums.into_iter().enumerate() {
                let to = self.scores.add((row + i) * self.stride + first);
                for (j, sum) in sums.into_iter().enumerate() {
                    let at = first + j * S::LANES;
                    let score = match self.mask {
                        None => s.mul(sum, scale),
                        Some(mask) => {
                            let numbers = mask.load(s, row + i, at, self.rows);
                            match mask.masking {
                                Masking::Add => s.fma(sum, scale, numbers),
                                Masking::Replace => s.where_less(numbers, zero, numbers, s.mul(sum, scale)),
                            }
                        }
                    };
                    s.store(to.add(j * S::LANES), score);
                }
            }
        }
        MR
    }

    /// Answers to `MR` queries from `row` on, with weights of `seen` keys and each row's factor, for a panel of
    /// columns; gives `MR`.
    ///
    /// # Safety
    /// The block has these rows and this panel.
    #[inline(always)]
    unsafe fn answers<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        row: usize,
        first: usize,
        (factors, seen): (&[f32; BLOCK], usize),
    ) -> usize {
        // SAFETY: the caller's; columns beyond the width are not written.
        unsafe {
            let mut scores = [self.scores.cast_const(); MR];
            for (i, scores) in scores.iter_mut().enumerate() {
                *scores = self.scores.add((row + i) * self.stride);
            }
            let panel = self.values.add(first * self.rows);
            let mut sums: Tile<S, NV, MR> = [[s.splat(0.0); NV]; MR];
            accumulate(s, &mut sums, scores, panel, seen, panel);
            for (i, sums) in sums.into_iter().enumerate() {
                let to = self.out.add((row + i) * self.out_stride + first);
                let factor = s.splat(factors[row + i]);
                for (j, sum) in sums.into_iter().enumerate() {
                    let left = (self.width - first).saturating_sub(j * S::LANES);
                    s.store_first(to.wrapping_add(j * S::LANES), left, s.mul(sum, factor));
                }
            }
        }
        MR
    }
}

impl RowMask {
    /// The mask of a query of the block and a register of keys from `at` on, of which there are `keys`.
    ///
    /// # Safety
    /// The mask has this query.
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, s: S, row: usize, at: usize, keys: usize) -> S::V {
        // SAFETY: the caller's; keys that are not there are not read.
        unsafe {
            let row = self.start.add(row * self.query);
            if self.key == 0 {
                s.splat(*row)
            } else {
                s.load_first(row.wrapping_add(at), keys.saturating_sub(at))
            }
        }
    }
}
