//! Weights as the products want them: panels of as many columns as a block of sums has, zero-padded, each
//! panel's rows one after the other on whole cache lines.

use crate::{isa::Isa, simd::tile_widths};

/// A cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; 16]);

/// A matrix of weights in panels.
#[derive(Debug)]
pub(crate) struct Panels {
    /// Rows.
    pub(crate) depth: usize,
    /// Columns without the padding.
    pub(crate) columns: usize,
    /// Vectors of a panel's row: 1 to 4.
    pub(crate) vectors: usize,
    /// Columns of a panel.
    pub(crate) width: usize,
    data: Vec<Line>,
}

impl Panels {
    /// The matrix whose element in a row and a column is `weights[first(row) + column * step]`, for `isa`'s
    /// vectors.
    pub(crate) fn new(
        isa: Isa,
        [depth, columns]: [usize; 2],
        weights: &[f32],
        step: usize,
        first: impl Fn(usize) -> usize,
    ) -> Self {
        let mut panels = Self::zeroed(isa, depth, columns);
        // Panel by panel, so that what is written lies in order and what is read is a few lines at a time.
        for begin in (0..columns).step_by(panels.width) {
            let end = columns.min(begin + panels.width);
            for row in 0..depth {
                let first = first(row);
                for column in begin..end {
                    panels.set(row, column, weights[first + column * step]);
                }
            }
        }
        panels
    }

    /// A matrix of zeros.
    pub(crate) fn zeroed(isa: Isa, depth: usize, columns: usize) -> Self {
        let (vectors, lanes) = shape(isa, columns);
        let width = vectors * lanes;
        let lines = (depth * width).div_ceil(16) * columns.div_ceil(width);
        Self { depth, columns, vectors, width, data: vec![Line([0.0; 16]); lines] }
    }

    /// Sets an element.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, column: usize, weight: f32) {
        let panel = (self.depth * self.width).div_ceil(16);
        let place = row * self.width + column % self.width;
        self.data[column / self.width * panel + place / 16].0[place % 16] = weight;
    }

    /// Number of panels.
    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// The first row of a panel; of the one past the last, an address that may only be prefetched.
    #[inline(always)]
    pub(crate) fn panel(&self, index: usize) -> *const f32 {
        let lines = (self.depth * self.width).div_ceil(16);
        self.data.as_ptr().wrapping_add(index * lines).cast()
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.data.as_slice())
    }
}

/// Vectors of a panel's row and lanes of a vector: what pads the columns least, and of equals the widest.
fn shape(isa: Isa, columns: usize) -> (usize, usize) {
    let (widths, lanes) = tile_widths(isa);
    // A narrow panel uses each element of the left side less often, which counts as some columns more.
    let cost = |vectors: usize| columns.div_ceil(vectors * lanes) * vectors * (24 - vectors);
    (widths.iter().copied().rev().min_by_key(|&vectors| cost(vectors)).unwrap_or(1), lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_every_weight_at_its_place() {
        for isa in Isa::available() {
            for (depth, columns) in [(3, 1), (5, 24), (2, 64), (7, 100)] {
                let weights: Vec<f32> = (0..columns * depth).map(|i| i as f32).collect();
                let panels = Panels::new(isa, [depth, columns], &weights, depth, |row| row);
                for column in 0..columns {
                    for row in 0..depth {
                        let at = row * panels.width + column % panels.width;
                        // SAFETY: within the panel that has the column.
                        let weight = unsafe { *panels.panel(column / panels.width).add(at) };
                        assert_eq!(weight, (column * depth + row) as f32);
                    }
                }
            }
        }
    }

    #[test]
    fn little_is_padded() {
        assert!(Isa::available().all(|isa| Panels::zeroed(isa, 1, 24).width <= 32));
    }
}
