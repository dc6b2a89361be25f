//! Convolution of an image that comes plane by plane (NCHW) and has few channels, straight to NHWC: the first
//! layer of most networks. The lines that a row of outputs meets are copied with their padding, which stay in the
//! first cache; then every tap of a block of outputs lies at the same distance from the block's first input.

use std::ops::Range;

use super::{
    Filters, Finish, Sizes,
    block::{Place, begin, finish},
    panels::Panels,
};
use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    scratch::with_scratch,
    simd::{Kernel, Simd, Tiles, dispatch},
    split,
    window::taps,
};

/// The most elements that the padded lines of a row of outputs may have: a padding may be far larger than the
/// input.
const LARGEST: usize = 1 << 26;

/// The weights of a convolution of planes, made ready for an instruction set.
#[derive(Debug)]
pub struct Planes {
    isa: Isa,
    /// Input channels.
    depth: usize,
    /// A row for each channel's each tap.
    panels: Panels,
    /// Padded to whole panels.
    bias: Vec<f32>,
}

impl Planes {
    /// Packs weights for `isa`; `None` where lengths do not fit or there are groups.
    pub fn new(isa: Isa, filters: &Filters<'_>) -> Option<Self> {
        let taps = filters.taps().filter(|_| filters.groups == 1)?;
        let rows = filters.in_channels * taps;
        let panels = Panels::new(isa, [rows, filters.out_channels], filters.weights, rows, |row| row);
        let bias = filters.padded_bias(0..filters.out_channels, panels.count() * panels.width);
        Some(Self { isa, depth: filters.in_channels, panels, bias })
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    /// Convolves an input `[batch, channels, places]` to `[batch, outputs, out channels]`; `None` where a
    /// length or the number of taps does not fit, or the padded planes are too large.
    pub fn run(&self, sizes: &Sizes, input: &[f32], finish: Finish) -> Option<Vec<f32>> {
        let fits = input.len() == sizes.batch * sizes.places() * self.depth
            && self.panels.depth == taps(&sizes.window) * self.depth;
        if !fits {
            return None;
        }
        let lines = Lines::new(sizes, self.depth, input);
        let scratch = lines.len().filter(|&len| len <= LARGEST)?;
        let offsets = lines.offsets();
        let len = sizes.batch * sizes.outputs() * self.panels.columns;
        let steps = split::products(sizes.window[2].output * self.panels.depth * self.panels.columns);
        let work = |rows: Range<usize>, out: Fresh| {
            with_scratch(scratch, |padded| {
                padded.fill(0.0);
                let (lines, offsets) = (&lines, &offsets[..]);
                dispatch(self.isa, Rows { conv: self, lines, padded, offsets, finish, out, rows });
            });
        };
        // SAFETY: the rows are all that the output has, and each is written by the one task that has it.
        Some(unsafe { filled(len, |out| split::ranges(sizes.rows(), steps, &|rows| work(rows, out))) })
    }
}

/// The lines of the planes that a row of outputs meets: of each channel as many as the filter is high (and deep).
struct Lines<'a> {
    sizes: &'a Sizes,
    depth: usize,
    input: &'a [f32],
    /// Places of a line with those before and after that windows touch.
    extent: usize,
}

impl<'a> Lines<'a> {
    fn new(sizes: &'a Sizes, depth: usize, input: &'a [f32]) -> Self {
        let axis = &sizes.window[2];
        let touched = axis.output.saturating_sub(1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
        Self { sizes, depth, input, extent: touched.max(axis.pad_begin + axis.input) }
    }

    /// Elements of all lines.
    fn len(&self) -> Option<usize> {
        let [outer, middle, _] = &self.sizes.window;
        [outer.kernel, middle.kernel, self.extent].into_iter().try_fold(self.depth, usize::checked_mul)
    }

    /// The distance of every channel's every tap from the place of an output.
    fn offsets(&self) -> Vec<usize> {
        let [outer, middle, inner] = &self.sizes.window;
        let lines = self.depth * outer.kernel * middle.kernel;
        let taps = |line: usize| (0..inner.kernel).map(move |x| line * self.extent + x * inner.dilation);
        (0..lines).flat_map(taps).collect()
    }

    /// Copies the lines of a row to between their paddings, which are zeros already.
    fn fill(&self, row: usize, padded: &mut [f32]) {
        let [outer, middle, inner] = &self.sizes.window;
        let (y, rest) = (row % middle.output, row / middle.output);
        let (z, image) = (rest % outer.output, rest / outer.output);
        let per_plane = outer.kernel * middle.kernel;
        for (index, line) in padded.chunks_exact_mut(self.extent).enumerate() {
            let (channel, tap) = (index / per_plane, index % per_plane);
            let to = &mut line[inner.pad_begin..][..inner.input];
            let plane = outer.place(z, tap / middle.kernel).zip(middle.place(y, tap % middle.kernel));
            let Some((z, y)) = plane else {
                to.fill(0.0);
                continue;
            };
            let from = ((image * self.depth + channel) * outer.input + z) * middle.input + y;
            to.copy_from_slice(&self.input[from * inner.input..][..inner.input]);
        }
    }
}

/// Some rows of outputs.
struct Rows<'a> {
    conv: &'a Planes,
    lines: &'a Lines<'a>,
    /// The lines of one row.
    padded: &'a mut [f32],
    offsets: &'a [usize],
    finish: Finish,
    out: Fresh,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Self { conv, lines, padded, offsets, finish, out, rows } = self;
        for row in rows {
            lines.fill(row, padded);
            let row = Row { conv, lines, padded, offsets, finish, out, row };
            for panel in 0..conv.panels.count() {
                s.tiles(conv.panels.vectors, &Columns { row: &row, panel });
            }
        }
    }
}

/// A row of outputs.
struct Row<'a> {
    conv: &'a Planes,
    lines: &'a Lines<'a>,
    padded: &'a [f32],
    offsets: &'a [usize],
    finish: Finish,
    out: Fresh,
    row: usize,
}

/// The columns of one panel in a row of outputs.
struct Columns<'a> {
    row: &'a Row<'a>,
    panel: usize,
}

impl Tiles for Columns<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(&self, s: S) {
        self.row.columns::<S, ROWS, VECTORS>(s, self.panel);
    }
}

impl Row<'_> {
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(&self, s: S, panel: usize) {
        let inner = &self.lines.sizes.window[2];
        let mut x = 0;
        while x < inner.output {
            let at = self.padded.as_ptr().wrapping_add(x * inner.stride);
            let out = self.row * inner.output + x;
            x += match inner.output - x {
                left if left >= MR => self.block::<S, MR, NV>(s, at, out, panel),
                4.. => self.block::<S, 4, NV>(s, at, out, panel),
                2.. => self.block::<S, 2, NV>(s, at, out, panel),
                _ => self.block::<S, 1, NV>(s, at, out, panel),
            };
        }
    }

    #[inline(always)]
    fn block<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        from: *const f32,
        out: usize,
        panel: usize,
    ) -> usize {
        let panels = &self.conv.panels;
        let column = panel * panels.width;
        let columns = (panels.columns - column).min(panels.width);
        let to = self.out.at(out * panels.columns + column);
        let place = Place { to, residual: std::ptr::null(), step: panels.columns, columns };
        let stride = self.lines.sizes.window[2].stride;
        let mut weights = panels.panel(panel);
        // SAFETY: every tap of the `MR` outputs from `from` on lies within the padded lines; the panel has a
        // row for each offset; the bias is padded to whole panels; the outputs are of this task's row.
        unsafe {
            let mut sums = begin::<S, MR, NV>(s, self.conv.bias.as_ptr().add(column));
            for &offset in self.offsets {
                let at = from.add(offset);
                let mut vectors = [s.splat(0.0); NV];
                for (j, vector) in vectors.iter_mut().enumerate() {
                    *vector = s.load(weights.add(j * S::LANES));
                }
                for (i, row) in sums.iter_mut().enumerate() {
                    let x = s.splat(*at.add(i * stride));
                    for (sum, &vector) in row.iter_mut().zip(&vectors) {
                        *sum = s.fma(x, vector, *sum);
                    }
                }
                weights = weights.wrapping_add(NV * S::LANES);
            }
            finish(s, &sums, place, (self.conv.isa, self.finish));
        }
        MR
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        conv::reference::{Case, any_finish, any_sizes, close},
        layout::to_planes,
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(100)))]
        #[test]
        fn every_instruction_set_follows_the_definition(
            sizes in any_sizes(),
            depth in 1usize..5,
            width in prop_oneof![1usize..24, 60usize..if cfg!(miri) { 66 } else { 140 }],
            finish in any_finish(),
        ) {
            let case = Case { sizes, groups: 1, in_channels: depth, out_channels: width };
            let (weights, bias) = (case.weights(), case.bias());
            let filters = Filters {
                groups: 1,
                in_channels: depth,
                out_channels: width,
                weights: &weights,
                bias: Some(&bias),
            };
            let sums = case.sums();
            let input = to_planes(&case.input(), sizes.batch, sizes.places(), depth).unwrap();
            for isa in Isa::available() {
                let conv = Planes::new(isa, &filters).unwrap();
                close(&conv.run(&sizes, &input, finish).unwrap(), &sums, finish, 5e-6)?;
            }
        }
    }
}
