//! The loops around the kernel: rows and panels of a product, block by block of its depth.
//!
//! The block of a panel stays in the second-level cache while the rows pass it; while the first of them do,
//! the next block is asked for. Rows are taken in chunks that stay in that cache while the panels pass.

use std::ops::Range;

use crate::{
    isa::Isa,
    simd::{Kernel, Simd, Tiles},
};

use super::{
    epilogue::Finish,
    packed::Packed,
    rows::Rows,
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
        let columns = self.weights.width().min(self.weights.n() - column);
        let offset = row * self.stride + column;
        let out = self.out.wrapping_add(offset);
        let mut tile: Tile<S, VECTORS, ROWS> = [[s.splat(0.0); VECTORS]; ROWS];
        // SAFETY: see the caller; what is loaded of the result was stored by the block before.
        unsafe {
            if block.begin > 0 {
                self.load(s, &mut tile, out, columns);
            }
            self.depth(s, &mut tile, panel, block, row, ahead);
            if block.last {
                self.finish.apply(s, &mut tile, (column, columns), (offset, self.stride));
            }
            self.store(s, &tile, out, columns);
            if let (true, Some(function)) = (block.last, self.finish.after) {
                for i in 0..ROWS {
                    let row = std::slice::from_raw_parts_mut(out.wrapping_add(i * self.stride), columns);
                    function.apply(self.isa(), row);
                }
            }
        }
    }

    fn isa(&self) -> Isa {
        self.weights.isa()
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

    /// # Safety
    /// `columns` elements of each row from `out` on are readable.
    #[inline(always)]
    unsafe fn load<S: Simd, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: S,
        tile: &mut Tile<S, VECTORS, ROWS>,
        out: *const f32,
        columns: usize,
    ) {
        for (i, row) in tile.iter_mut().enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                let from = out.wrapping_add(i * self.stride + j * S::LANES);
                // SAFETY: the caller's.
                *sum = unsafe { s.load_part(from, columns.saturating_sub(j * S::LANES)) };
            }
        }
    }

    /// # Safety
    /// `columns` elements of each row from `out` on are writable.
    #[inline(always)]
    unsafe fn store<S: Simd, const VECTORS: usize, const ROWS: usize>(
        &self,
        s: S,
        tile: &Tile<S, VECTORS, ROWS>,
        out: *mut f32,
        columns: usize,
    ) {
        for (i, row) in tile.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                let to = out.wrapping_add(i * self.stride + j * S::LANES);
                // SAFETY: the caller's.
                unsafe { s.store_part(to, columns.saturating_sub(j * S::LANES), sum) };
            }
        }
    }
}
