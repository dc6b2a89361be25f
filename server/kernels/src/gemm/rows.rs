//! Where the left side of a product lies: read in place, through one pointer per row and piece.

use crate::Misfit;

/// The left side of a product: `count` rows, each made up of pieces of `depth` consecutive elements. A
/// matrix has one piece in each row; an implicit convolution has one for each tap of its window, and a row
/// for each place of its output.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    data: &'a [f32],
    count: usize,
    place: Place<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// Row i begins at `i * stride`.
    Strided { stride: usize, depth: usize },
    /// Row i is the table's row `i % rows` in the image that begins at `i / rows * stride`.
    Gathered { table: &'a Gather, stride: usize },
}

impl<'a> Rows<'a> {
    /// `count` rows of `depth` elements, one after the other.
    ///
    /// # Errors
    /// Where the data are too short.
    pub fn dense(data: &'a [f32], count: usize, depth: usize) -> Result<Self, Misfit> {
        Self::strided(data, count, depth, depth)
    }

    /// `count` rows of `depth` elements, each `stride` after the one before.
    ///
    /// # Errors
    /// Where the data are too short.
    pub fn strided(data: &'a [f32], count: usize, depth: usize, stride: usize) -> Result<Self, Misfit> {
        let end = count.saturating_sub(1).checked_mul(stride).and_then(|last| last.checked_add(depth));
        if count > 0 && end.is_none_or(|end| end > data.len()) {
            return Err(Misfit("the left side"));
        }
        Ok(Self { data, count, place: Place::Strided { stride, depth } })
    }

    /// The table's rows in each of `images` images, each `stride` elements after the one before.
    ///
    /// # Errors
    /// Where the data are too short.
    pub fn gathered(
        data: &'a [f32],
        table: &'a Gather,
        images: usize,
        stride: usize,
    ) -> Result<Self, Misfit> {
        let misfit = Misfit("the images");
        let count = images.checked_mul(table.rows).ok_or(misfit)?;
        let end =
            images.saturating_sub(1).checked_mul(stride).and_then(|last| last.checked_add(table.extent));
        if count > 0 && end.is_none_or(|end| end > data.len()) {
            return Err(misfit);
        }
        Ok(Self { data, count, place: Place::Gathered { table, stride } })
    }

    /// Number of rows.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Pieces of a row, and elements of a piece.
    pub(super) const fn pieces(&self) -> (usize, usize) {
        match self.place {
            Place::Strided { depth, .. } => (1, depth),
            Place::Gathered { table, .. } => (table.pieces, table.depth),
        }
    }

    /// Where element `from` of piece `piece` of each of `ROWS` rows from `row` on is.
    ///
    /// # Safety
    /// The rows and the piece exist.
    #[inline(always)]
    pub(super) unsafe fn at<const ROWS: usize>(
        &self,
        row: usize,
        piece: usize,
        from: usize,
    ) -> [*const f32; ROWS] {
        let begin = self.data.as_ptr().wrapping_add(from);
        match self.place {
            Place::Strided { stride, .. } => std::array::from_fn(|i| begin.wrapping_add((row + i) * stride)),
            Place::Gathered { table, stride } => {
                let (mut image, mut place) = (row / table.rows, row % table.rows);
                std::array::from_fn(|_| {
                    // SAFETY: `place` is below `rows`, and the caller promises that the piece exists.
                    let offset = unsafe { *table.offsets.get_unchecked(piece * table.rows + place) };
                    let at = begin.wrapping_add(image * stride + offset as usize);
                    place += 1;
                    if place == table.rows {
                        (image, place) = (image + 1, 0);
                    }
                    if offset == Gather::ABSENT { table.zeros.as_ptr().wrapping_add(from) } else { at }
                })
            }
        }
    }
}

/// Where the pieces of each row lie in an image, for one size of images; made once and used in each run.
#[derive(Debug)]
pub struct Gather {
    /// `[pieces][rows]`.
    offsets: Vec<u32>,
    rows: usize,
    pieces: usize,
    depth: usize,
    /// The elements that an image must have.
    extent: usize,
    /// What an absent piece reads.
    zeros: Vec<f32>,
}

impl Gather {
    /// In place of an offset: a piece outside of the image, all zero.
    pub const ABSENT: u32 = u32::MAX;

    /// A table of `offsets`, `[pieces][rows]`, in elements, of pieces of `depth` elements.
    ///
    /// # Errors
    /// Where there are not as many offsets as pieces and rows.
    pub fn new(offsets: Vec<u32>, pieces: usize, rows: usize, depth: usize) -> Result<Self, Misfit> {
        if pieces.checked_mul(rows) != Some(offsets.len()) {
            return Err(Misfit("the table of offsets"));
        }
        let last = offsets.iter().filter(|&&offset| offset != Self::ABSENT).max();
        let extent = last.map_or(0, |&last| last as usize + depth);
        Ok(Self { offsets, rows, pieces, depth, extent, zeros: vec![0.0; depth] })
    }
}
