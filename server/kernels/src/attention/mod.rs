//! Scaled dot-product attention (Vaswani et al. 2017, "Attention is all you need"): for each head
//! `softmax(scale * Q x K^T + mask) x V`.
//!
//! Heads are read where they lie and written where they belong, so that nothing is transposed in memory. A
//! task takes some rows of queries of one head: it packs the head's K^T and V into its thread's scratch and
//! goes through scores, softmax and the product with V in blocks of rows that stay in the first cache.

mod block;
mod exponentials;
mod pack;

use std::ops::Range;

use crate::{
    Misfit,
    buffer::{Shared, filled},
    isa::Isa,
    pool,
    scratch::with_scratch,
    simd::{Kernel, Simd, dispatch},
};

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Sequences.
    pub batch: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values, each of which serves `heads / key_heads` neighbouring heads of the queries.
    pub key_heads: usize,
    /// Rows of Q.
    pub queries: usize,
    /// Rows of K and V.
    pub keys: usize,
    /// Columns of a head of Q and K.
    pub depth: usize,
    /// Columns of a head of V.
    pub width: usize,
}

/// A tensor of heads: where element `[batch][head][row][column]` lies, columns side by side.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// The place of the first.
    pub start: usize,
    /// Elements from one sequence to the next.
    pub batch: usize,
    /// Elements from one head to the next.
    pub head: usize,
    /// Elements from one row to the next.
    pub row: usize,
}

/// What a mask's numbers do to the scaled scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// They are added.
    Add,
    /// Those below 0 take the score's place; the others do nothing.
    Replace,
}

/// Numbers that change the scores.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    /// What they do.
    pub masking: Masking,
    /// The numbers.
    pub data: &'a [f32],
    /// Elements from one sequence, head, query and key to the next: 0 where one number is for all of them.
    /// That of keys is 0 or 1.
    pub strides: [usize; 4],
}

/// The answer to a query whose every key is hidden, by its place or by a score of minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// NaN, as the definition has it.
    Nan,
    /// Zeros.
    Zeros,
}

/// How the heads of the answer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[batch, queries, heads, width]`.
    RowsFirst,
    /// `[batch, heads, queries, width]`.
    HeadsFirst,
}

/// An attention to compute.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Its sizes.
    pub sizes: Sizes,
    /// Q.
    pub query: Heads<'a>,
    /// K.
    pub key: Heads<'a>,
    /// V.
    pub value: Heads<'a>,
    /// Multiplied with Q x K^T.
    pub scale: f32,
    /// Applied to the scaled scores.
    pub mask: Option<Mask<'a>>,
    /// Hides the keys beyond a query's own place plus this number; `None` hides none.
    pub causal: Option<isize>,
    /// The answer to a query that sees no key.
    pub unseen: Unseen,
    /// How the heads of the answer lie.
    pub order: Order,
}

/// Columns of the widest panels.
const PANEL: usize = 64;
/// Rows of queries in a block.
const BLOCK: usize = 12;
/// The least rows of queries that are worth packing a head's keys and values for.
const TASK_ROWS: usize = 48;

impl Attention<'_> {
    /// The answer's elements in [`Self::order`].
    ///
    /// # Errors
    /// Where the sizes do not fit the slices, or are too large.
    pub fn compute(&self) -> Result<Vec<f32>, Misfit> {
        self.with(Isa::current())
    }

    fn with(&self, isa: Isa) -> Result<Vec<f32>, Misfit> {
        let len = self.checked_len()?;
        if len == 0 {
            return Ok(Vec::new());
        }
        let Sizes { batch, heads, queries, .. } = self.sizes;
        let parts = self.parts();
        let rows = queries.div_ceil(parts).next_multiple_of(BLOCK);
        let parts = queries.div_ceil(rows);
        // SAFETY: the tasks make up all rows of all heads, and `Task` writes each row that it is given.
        let out = unsafe {
            filled(len, |out| {
                let out = Shared(out.as_mut_ptr().cast());
                pool::run(batch * heads * parts, &|i| {
                    let (pair, first) = (i / parts, i % parts * rows);
                    let rows = first..queries.min(first + rows);
                    let (batch, head) = (pair / heads, pair % heads);
                    // Taken out here: a closure around the kernel would not be compiled for `isa`.
                    with_scratch(self.scratch().iter().sum(), |scratch| {
                        dispatch(isa, Task { attention: self, batch, head, rows, scratch, out });
                    });
                });
            })
        };
        Ok(out)
    }

    /// Elements that a task needs for keys, values and scores, in panels as wide as any.
    fn scratch(&self) -> [usize; 3] {
        let Sizes { keys, depth, width, .. } = self.sizes;
        let padded = keys.next_multiple_of(PANEL);
        [padded * depth, width.next_multiple_of(PANEL) * padded, BLOCK * padded]
    }

    /// Tasks that each head is cut into: enough for all threads, few enough that packing does not dominate.
    fn parts(&self) -> usize {
        let Sizes { batch, heads, queries, .. } = self.sizes;
        let wanted = (2 * pool::threads()).div_ceil(batch * heads);
        wanted.min(queries / TASK_ROWS).max(1)
    }

    /// Elements of the answer, where everything lies within its slice.
    fn checked_len(&self) -> Result<usize, Misfit> {
        let Sizes { batch, heads, key_heads, queries, keys, depth, width } = self.sizes;
        let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        let len = product(&[batch, heads, queries, width]).ok_or(Misfit("the answer"))?;
        // What a thread's scratch takes must be countable too.
        let scratch = depth.checked_add(width).and_then(|columns| columns.checked_add(BLOCK));
        scratch.and_then(|columns| product(&[keys, columns, 128 * PANEL])).ok_or(Misfit("a head"))?;
        if len == 0 {
            return Ok(0);
        }
        if key_heads == 0 || !heads.is_multiple_of(key_heads) || keys == 0 {
            return Err(Misfit("the heads"));
        }
        let fit = |fits: bool, what| if fits { Ok(()) } else { Err(Misfit(what)) };
        fit(self.query.reaches([batch, heads, queries, depth]), "the queries")?;
        fit(self.key.reaches([batch, key_heads, keys, depth]), "the keys")?;
        fit(self.value.reaches([batch, key_heads, keys, width]), "the values")?;
        fit(self.mask.is_none_or(|mask| mask.reaches([batch, heads, queries, keys])), "the mask")?;
        Ok(len)
    }

    /// The keys that a query may see for its place: those before this one.
    fn end(&self, query: usize) -> usize {
        let Some(offset) = self.causal else { return self.sizes.keys };
        let end = query.saturating_add(1).checked_add_signed(offset).unwrap_or(0);
        end.min(self.sizes.keys)
    }

    /// Where a row of the answer begins.
    const fn place(&self, batch: usize, head: usize, row: usize) -> usize {
        let Sizes { heads, queries, width, .. } = self.sizes;
        match self.order {
            Order::RowsFirst => ((batch * queries + row) * heads + head) * width,
            Order::HeadsFirst => ((batch * heads + head) * queries + row) * width,
        }
    }
}

/// Whether the last element of `dims` at these strides lies within `len`.
pub(crate) fn reaches(len: usize, start: usize, dims: [usize; 4], strides: [usize; 4]) -> bool {
    if dims.contains(&0) {
        return true;
    }
    let last = dims.iter().zip(strides).try_fold(start, |last, (&dim, stride)| {
        (dim - 1).checked_mul(stride).and_then(|reach| last.checked_add(reach))
    });
    last.is_some_and(|last| last < len)
}

impl Heads<'_> {
    fn reaches(&self, dims: [usize; 4]) -> bool {
        reaches(self.data.len(), self.start, dims, [self.batch, self.head, self.row, 1])
    }

    /// The first element of a head.
    ///
    /// # Safety
    /// There is one.
    #[inline(always)]
    unsafe fn at(&self, batch: usize, head: usize) -> *const f32 {
        // SAFETY: the caller's.
        unsafe { self.data.as_ptr().add(self.start + batch * self.batch + head * self.head) }
    }
}

impl Mask<'_> {
    fn reaches(&self, dims: [usize; 4]) -> bool {
        self.strides[3] <= 1 && reaches(self.data.len(), 0, dims, self.strides)
    }
}

/// Some rows of queries of one head.
struct Task<'a> {
    attention: &'a Attention<'a>,
    batch: usize,
    head: usize,
    rows: Range<usize>,
    /// For keys, values and scores, as [`Attention::scratch`] has it.
    scratch: &'a mut [f32],
    out: Shared<f32>,
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        // Tiles of rows by registers that fill the register file: 32 with 16 lanes, else 16.
        if S::LANES == 16 {
            if self.attention.sizes.width <= 2 * S::LANES {
                block::task::<S, 4, 2, 12>(s, &mut self);
            } else {
                block::task::<S, 4, 4, 6>(s, &mut self);
            }
        } else {
            block::task::<S, 2, 2, 4>(s, &mut self);
        }
    }
}

#[cfg(test)]
mod tests;
