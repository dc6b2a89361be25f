//! Products with few columns, where panels would be mostly padding: sums of products along the depth, whose
//! lanes are added up at the end. Weights lie column by column, `[n][depth of pieces]`.

use crate::simd::{Kernel, Simd, Spans};

use super::sweep::Sweep;

/// The most columns that are done so.
pub(super) const COLUMNS: usize = 4;

/// The part of a product that a [`Sweep`] is, for weights of at most [`COLUMNS`] columns.
pub(super) struct Narrow<'a>(pub(super) Sweep<'a>);

impl Kernel for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for row in self.0.range.clone() {
            match self.0.weights.n() {
                1 => self.row::<S, 1>(s, row),
                2 => self.row::<S, 2>(s, row),
                3 => self.row::<S, 3>(s, row),
                _ => self.row::<S, COLUMNS>(s, row),
            }
        }
        self.activate();
    }
}

impl Narrow<'_> {
    #[inline(always)]
    fn row<S: Simd, const N: usize>(&self, s: S, row: usize) {
        let (pieces, depth) = self.0.rows.pieces();
        let mut sums = [s.splat(0.0); N];
        for piece in 0..pieces {
            // SAFETY: the row and the piece exist.
            let [from] = unsafe { self.0.rows.at::<1>(row, piece, 0) };
            let weights = self.0.weights.panel(0).wrapping_add(piece * depth);
            for (i, left) in Spans::of(s, depth) {
                // SAFETY: the piece has `depth` elements, and so has each column for this piece.
                unsafe {
                    let elements = s.load_part(from.wrapping_add(i), left);
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let weights = weights.wrapping_add(j * self.0.weights.k() + i);
                        *sum = s.fma(elements, s.load_part(weights, left), *sum);
                    }
                }
            }
        }
        let offset = row * self.0.stride;
        for (j, &sum) in sums.iter().enumerate() {
            // SAFETY: the row and the column exist in the result, and so in bias and residual.
            unsafe {
                let finished = self.0.finish.one(s.sum(sum), j, offset + j);
                self.0.out.wrapping_add(offset + j).write(finished);
            }
        }
    }

    /// Applies an activation to all rows, at once where nothing lies between them.
    fn activate(&self) {
        let (sweep, n) = (&self.0, self.0.weights.n());
        let Some(function) = sweep.finish.after else { return };
        let dense = sweep.stride == n;
        let (rows, len) = if dense { (1, sweep.range.len() * n) } else { (sweep.range.len(), n) };
        for i in 0..rows {
            let at = sweep.out.wrapping_add((sweep.range.start + i) * sweep.stride);
            // SAFETY: these elements of the result were just written, by this task.
            function.apply(sweep.weights.isa(), unsafe { std::slice::from_raw_parts_mut(at, len) });
        }
    }
}
