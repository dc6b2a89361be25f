//! The loops around the kernel: rows and panels of a product, block by block of its depth.
//!
//! The block of a panel stays in the second-level cache while the rows pass it; while the first of them do,
//! the next block is asked for. Rows are taken in chunks that stay in that cache while the panels pass.

use std::{mem::MaybeUninit, ops::Range};

use crate::simd::{Kernel, Simd, Tiles, dispatch};

use super::{
    epilogue::Finish,
    packed::Packed,
    rows::Rows,
    store::{Kept, Store},
    tile::{AHEAD, Tile, accumulate},
};

/// The most of the depth that is done at once.
const DEPTH: usize = 768;

/// The most elements of the left side that are passed by all panels at once.
const CHUNK: usize = 96 << 10;

/// A part of a product: some rows of some panels, on the calling thread.
#[derive(Clone)]
pub(super) struct Sweep<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) weights: &'a Packed,
    pub(super) finish: Finish,
    /// The result, `stride` elements between rows.
    pub(super) out: *mut f32,
    pub(super) stride: usize,
    pub(super) range: Range<usize>,
    pub(super) panels: Range<usize>,
}

/// A block of the depth: some pieces of the rows, or a part of one.
struct Block {
    pieces: Range<usize>,
    /// The part of each piece.
    part: Range<usize>,
    /// Where it begins in the whole depth, and whether it is the last.
    begin: usize,
    last: bool,
}

/// The blocks of a depth, of which there is at least one.
struct Blocks {
    /// Pieces, and elements of each.
    pieces: usize,
    depth: usize,
    /// Pieces of a block, and elements of them.
    together: usize,
    part: usize,
    /// Where the next block begins; nowhere after the last.
    next: Option<(usize, usize)>,
}

impl Blocks {
    #[inline(always)]
    fn new(rows: &Rows<'_>) -> Self {
        let (pieces, depth) = rows.pieces();
        let parts = depth.div_ceil(DEPTH).max(1);
        let together = if parts > 1 { 1 } else { (DEPTH / depth.max(1)).clamp(1, pieces.max(1)) };
        Self { pieces, depth, together, part: depth.div_ceil(parts), next: Some((0, 0)) }
    }
}

impl Iterator for Blocks {
    type Item = Block;

    #[inline(always)]
    fn next(&mut self) -> Option<Block> {
        let (piece, from) = self.next?;
        let (end, to) = (self.pieces.min(piece + self.together), self.depth.min(from + self.part));
        self.next = if to < self.depth { Some((piece, to)) } else { Some((end, 0)) };
        let last = to == self.depth && end == self.pieces;
        if last {
            self.next = None;
        }
        Some(Block { pieces: piece..end, part: from..to, begin: piece * self.depth + from, last })
    }
}

impl Kernel for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        s.tiles(self.weights.vectors(), &self);
    }
}

impl Tiles for Sweep<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(&self, s: S) {
        let (_, depth) = self.rows.pieces();
        let chunk = (CHUNK / depth.max(1)).max(4 * ROWS).next_multiple_of(ROWS);
        for begin in self.range.clone().step_by(chunk) {
            let rows = begin..self.range.end.min(begin + chunk);
            for panel in self.panels.clone() {
                for block in Blocks::new(&self.rows) {
                    self.pass::<S, VECTORS, ROWS>(s, panel, &block, rows.clone());
                }
            }
        }
    }
}

impl Sweep<'_> {
    /// All rows past a block of a panel.
    #[inline(always)]
    fn pass<S: Simd, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: S,
        panel: usize,
        block: &Block,
        rows: Range<usize>,
    ) {
        let depth = block.pieces.len() * block.part.len();
        let begin = self.weights.panel(panel).wrapping_add(block.begin * self.weights.width());
        let next = begin.wrapping_add(depth * self.weights.width());
        let mut ahead = next;
        // Rows that have passed when all of the next block has been asked for.
        let mut left = (VECTORS * S::LANES).div_ceil(AHEAD);
        let mut row = rows.start;
        macro_rules! tiles {
            ($($count:expr),*) => {$(
                if const { $count <= ROWS } {
                    while rows.end - row >= $count {
                        let from = if left > 0 { ahead } else { begin };
                        // SAFETY: the rows, the panel and the block are within the operands' sizes, which
                        // `Product` has checked against their lengths.
                        unsafe { self.tile::<S, VECTORS, $count>(s, panel, block, row, from) };
                        ahead = ahead.wrapping_add(depth * AHEAD);
                        left = left.saturating_sub(1);
                        row += $count;
                    }
                }
            )*};
        }
        tiles!(14, 12, 8, 6, 4, 2, 1);
    }

    /// # Safety
    /// Rows, panel and block are within the operands.
    #[inline(always)]
    unsafe fn tile<S: Simd, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: S,
        panel: usize,
        block: &Block,
        row: usize,
        ahead: *const f32,
    ) {
        let column = panel * self.weights.width();
        let offset = row * self.stride + column;
        let mut tile: Tile<S, VECTORS, ROWS> = [[s.splat(0.0); VECTORS]; ROWS];
        let mut kept = Kept(MaybeUninit::uninit());
        // SAFETY: see the caller; a tile is no larger than what is kept of it.
        unsafe {
            self.depth(s, &mut tile, panel, block, row, ahead);
            for (i, sum) in tile.as_flattened().iter().enumerate() {
                s.store(kept.0.as_mut_ptr().cast::<f32>().add(i * S::LANES), *sum);
            }
        }
        let store = Store {
            tile: &kept,
            width: self.weights.width(),
            rows: ROWS,
            columns: self.weights.width().min(self.weights.n() - column),
            finish: block.last.then_some(&self.finish),
            first: block.begin == 0,
            column,
            out: self.out.wrapping_add(offset),
            offset,
            stride: self.stride,
        };
        // A call: the code of a store is the same for every shape of tiles.
        dispatch(self.weights.isa(), store);
        if let (true, Some(function)) = (block.last, self.finish.after) {
            for i in 0..ROWS {
                let at = store.out.wrapping_add(i * self.stride);
                // SAFETY: the row's part of the result was just written.
                let part = unsafe { std::slice::from_raw_parts_mut(at, store.columns) };
                function.apply(self.weights.isa(), part);
            }
        }
    }

    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn depth<S: Simd, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: S,
        tile: &mut Tile<S, VECTORS, ROWS>,
        panel: usize,
        block: &Block,
        row: usize,
        ahead: *const f32,
    ) {
        let mut weights = self.weights.panel(panel).wrapping_add(block.begin * self.weights.width());
        let mut ahead = ahead;
        for piece in block.pieces.clone() {
            // SAFETY: the caller's.
            unsafe {
                let rows = self.rows.at::<ROWS>(row, piece, block.part.start);
                accumulate(s, tile, rows, weights, block.part.len(), ahead);
            }
            weights = weights.wrapping_add(block.part.len() * self.weights.width());
            ahead = ahead.wrapping_add(block.part.len() * AHEAD);
        }
    }
}
