//! Transposed convolution whose stride is its kernel's size, so that every input place makes a block of outputs
//! of its own: for each line of the blocks a product of a row of places and the line's weights, whose result
//! is the line as it lies.

use std::{mem::MaybeUninit, ops::Range};

use super::Finish;
use crate::{
    Misfit, buffer,
    buffer::Shared,
    gemm::{self, Epilogue, Packed, Rows, Weights},
    isa::Isa,
    split,
};

/// The weights of a transposed convolution over one or two axes, made ready for an instruction set.
#[derive(Debug)]
pub struct Blocks {
    isa: Isa,
    in_channels: usize,
    /// For each line of a block, `[in channels, columns of a block x out channels]`.
    lines: Vec<Packed>,
    /// One for each element of a line.
    bias: Vec<f32>,
}

/// Images that blocks are made of.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Rows of places, of all images.
    pub rows: usize,
    /// Places of a row.
    pub columns: usize,
}

impl Blocks {
    /// From weights `[in channels, out channels, lines, columns]` and, where there is one, a bias for each
    /// output channel.
    ///
    /// # Errors
    /// Where a length does not fit.
    pub fn new(
        isa: Isa,
        [depth, width, lines, columns]: [usize; 4],
        weights: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, Misfit> {
        let len = [width, lines, columns].into_iter().try_fold(depth, usize::checked_mul);
        if len != Some(weights.len()) || bias.is_some_and(|bias| bias.len() != width) {
            return Err(Misfit("the weights or the bias"));
        }
        let line = |y: usize| {
            let at = |i: usize| {
                let (channel, x, out) = (i / (columns * width), i / width % columns, i % width);
                weights[((channel * width + out) * lines + y) * columns + x]
            };
            let matrix: Vec<f32> = (0..depth * columns * width).map(at).collect();
            Packed::new(isa, &Weights::rows(&matrix, depth, columns * width))
        };
        let bias = bias.map_or_else(|| vec![0.0; width], <[f32]>::to_vec).repeat(columns);
        Ok(Self { isa, in_channels: depth, lines: (0..lines).map(line).collect::<Result<_, _>>()?, bias })
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        self.lines.iter().map(Packed::bytes).sum()
    }

    /// The blocks of every place of `[rows, columns, in channels]`, as rows of outputs.
    ///
    /// # Errors
    /// Where the input's length does not fit.
    pub fn run(&self, grid: Grid, input: &[f32], finish: Finish) -> Result<Vec<f32>, Misfit> {
        let misfit = Misfit("the images");
        let row = grid.columns.checked_mul(self.in_channels).ok_or(misfit)?;
        if grid.rows.checked_mul(row) != Some(input.len()) {
            return Err(misfit);
        }
        let line = grid.columns.checked_mul(self.bias.len()).ok_or(misfit)?;
        let lines = self.lines.len();
        let len = grid.rows.checked_mul(lines).and_then(|all| all.checked_mul(line)).ok_or(misfit)?;
        let steps = split::products(row * lines * self.bias.len());
        let fill = |out: &mut [MaybeUninit<f32>]| {
            let base = Shared(out.as_mut_ptr().cast::<f32>());
            split::ranges(grid.rows, steps, &|rows: Range<usize>| {
                for index in rows {
                    let from = &input[index * row..(index + 1) * row];
                    self.row(grid.columns, from, base.at(index * lines * line), finish);
                }
            });
        };
        // SAFETY: every row of places has its lines of outputs, which `Self::row` writes whole.
        Ok(unsafe { buffer::filled(len, fill) })
    }

    /// The lines of a row of places, one after the other.
    fn row(&self, columns: usize, from: &[f32], to: *mut f32, finish: Finish) {
        let width = self.bias.len();
        let epilogue = Epilogue { bias: Some(&self.bias), ..Epilogue::default() };
        for (index, line) in self.lines.iter().enumerate() {
            let to = to.wrapping_add(index * columns * width);
            // SAFETY: `run` has given each row its own lines of outputs, of which this is one.
            let out = unsafe { std::slice::from_raw_parts_mut(to.cast(), columns * width) };
            let made = Rows::dense(from, columns, self.in_channels)
                .and_then(|rows| gemm::product_into(&rows, line, &epilogue, out, width));
            debug_assert!(made.is_ok(), "`new` and `run` have checked all lengths");
            // SAFETY: the line that was just stored.
            unsafe { finish.rows(self.isa, to, (1, 0), columns * width) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conv::reference::{close, numbers},
        math::Function,
    };

    fn sums(depth: usize, width: usize, (lines, columns): (usize, usize), grid: Grid) -> Vec<f64> {
        let (x, w, bias) = (
            numbers(grid.rows * grid.columns * depth, 1),
            numbers(depth * width * lines * columns, 2),
            numbers(width, 3),
        );
        let row = grid.columns * columns * width;
        let of = |i: usize| {
            let (y, place, out) = (i / row, i % row / width, i % width);
            let from = y / lines * grid.columns + place / columns;
            let sum = (0..depth).map(|c| {
                let weight = w[((c * width + out) * lines + y % lines) * columns + place % columns];
                f64::from(x[from * depth + c]) * f64::from(weight)
            });
            sum.sum::<f64>() + f64::from(bias[out])
        };
        (0..grid.rows * lines * row).map(of).collect()
    }

    #[test]
    fn every_place_makes_a_block() {
        for (depth, width, block, rows, columns) in
            [(24, 24, (2, 2), 3, 5), (7, 1, (2, 2), 2, 9), (3, 5, (1, 3), 1, 4), (2, 40, (3, 2), 4, 1)]
        {
            let grid = Grid { rows, columns };
            let relu = Finish::of(Function::RELU).unwrap();
            for isa in Isa::available() {
                let weights = numbers(depth * width * block.0 * block.1, 2);
                let sizes = [depth, width, block.0, block.1];
                let conv = Blocks::new(isa, sizes, &weights, Some(&numbers(width, 3))).unwrap();
                let made = conv.run(grid, &numbers(rows * columns * depth, 1), relu).unwrap();
                close(&made, &sums(depth, width, block, grid), relu, 5e-6).unwrap();
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let isa = Isa::current();
        assert!(Blocks::new(isa, [1, 1, 2, 2], &[0.0; 3], None).is_err());
        assert!(Blocks::new(isa, [usize::MAX, 2, 2, 2], &[], None).is_err());
        let conv = Blocks::new(isa, [1, 1, 2, 2], &[0.0; 4], None).unwrap();
        assert!(conv.run(Grid { rows: 2, columns: 2 }, &[0.0; 3], Finish::NONE).is_err());
    }
}
