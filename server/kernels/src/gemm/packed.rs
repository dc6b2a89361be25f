//! Weights laid out for the kernel, once, when a model loads.

use super::narrow;
use crate::{Misfit, huge::Huge, isa::Isa, simd};

/// The right side of products, `[k, n]`, as panels of columns: `[n / width][k][width]`, zero beyond n, from
/// a cache line's beginning on. Few columns lie one after the other instead, `[n][k]`.
#[derive(Debug)]
pub struct Packed {
    data: Huge<f32>,
    k: usize,
    n: usize,
    /// Columns of a panel, of which `lanes` make a vector.
    width: usize,
    lanes: usize,
    isa: Isa,
}

/// A matrix of weights as it lies in memory: element (i, j) at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Rows: the depth of products.
    pub k: usize,
    /// Columns of products.
    pub n: usize,
    /// From a row to the next.
    pub row_stride: usize,
    /// From a column to the next.
    pub column_stride: usize,
}

impl<'a> Weights<'a> {
    /// `[k, n]` in row-major order.
    pub const fn rows(data: &'a [f32], k: usize, n: usize) -> Self {
        Self { data, k, n, row_stride: n, column_stride: 1 }
    }

    /// `[n, k]` in row-major order, to be read transposed.
    pub const fn columns(data: &'a [f32], k: usize, n: usize) -> Self {
        Self { data, k, n, row_stride: 1, column_stride: k }
    }

    /// Whether every element lies within the data.
    fn fits(&self) -> bool {
        let last = |count: usize, stride: usize| count.checked_sub(1).and_then(|i| i.checked_mul(stride));
        match (last(self.k, self.row_stride), last(self.n, self.column_stride)) {
            (Some(row), Some(column)) => row.checked_add(column).is_some_and(|at| at < self.data.len()),
            _ => self.k == 0 || self.n == 0,
        }
    }
}

impl Packed {
    /// Packs weights for `isa`.
    ///
    /// # Errors
    /// Where the data are too short.
    pub fn new(isa: Isa, weights: &Weights<'_>) -> Result<Self, Misfit> {
        let misfit = Misfit("the weights");
        if !weights.fits() {
            return Err(misfit);
        }
        let (k, n) = (weights.k, weights.n);
        let (width, lanes) = if n <= narrow::COLUMNS { (n.max(1), 1) } else { panel_width(isa, n) };
        let len = n.div_ceil(width).checked_mul(k).and_then(|rows| rows.checked_mul(width));
        let len = len.ok_or(misfit)?;
        let data = Huge::new(len, |packed| match n <= narrow::COLUMNS {
            true => turn(packed, weights),
            false => pack(packed, weights, width),
        });
        Ok(Self { data, k, n, width, lanes, isa })
    }

    /// The depth of products.
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Columns of products.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.data)
    }

    /// Whether it lies column by column.
    pub(super) const fn is_narrow(&self) -> bool {
        self.n <= narrow::COLUMNS
    }

    pub(super) const fn isa(&self) -> Isa {
        self.isa
    }

    /// Columns of a panel.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Vectors of a panel's row.
    pub(super) const fn vectors(&self) -> usize {
        self.width / self.lanes
    }

    pub(super) const fn panels(&self) -> usize {
        self.n.div_ceil(self.width)
    }

    /// The panel's elements: `[k][width]`.
    pub(super) fn panel(&self, panel: usize) -> *const f32 {
        self.data.as_ptr().wrapping_add(panel * self.k * self.width)
    }
}

/// Column by column.
fn turn(to: &mut [f32], weights: &Weights<'_>) {
    for (j, to) in to.chunks_mut(weights.k.max(1)).enumerate() {
        for (i, to) in to.iter_mut().enumerate() {
            *to = weights.data[i * weights.row_stride + j * weights.column_stride];
        }
    }
}

/// Panel by panel.
fn pack(to: &mut [f32], weights: &Weights<'_>, width: usize) {
    let (k, n) = (weights.k, weights.n);
    for (panel, to) in to.chunks_mut((k * width).max(1)).enumerate() {
        let columns = width.min(n - panel * width);
        for (i, to) in to.chunks_mut(width).enumerate() {
            let from = i * weights.row_stride + panel * width * weights.column_stride;
            let to = &mut to[..columns];
            if weights.column_stride == 1 {
                to.copy_from_slice(&weights.data[from..from + columns]);
                continue;
            }
            for (j, to) in to.iter_mut().enumerate() {
                *to = weights.data[from + j * weights.column_stride];
            }
        }
    }
}

/// The width of panels that wastes least on n columns, and the numbers of a vector. Narrow tiles reuse each
/// element of the left side less often, which counts as some columns more.
fn panel_width(isa: Isa, n: usize) -> (usize, usize) {
    let (widths, lanes) = simd::tile_widths(isa);
    let cost = |vectors: usize| {
        let padded = n.div_ceil(vectors * lanes).max(1) * vectors;
        padded * (20 + widths.len() - vectors.min(widths.len()))
    };
    let best = widths.iter().copied().rev().min_by_key(|&vectors| cost(vectors)).unwrap_or(1);
    (best * lanes, lanes)
}
