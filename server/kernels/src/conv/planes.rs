//! Convolution of an image that comes plane by plane (NCHW) and has few channels, straight to NHWC: the first
//! layer of most networks. The planes are copied with their padding; then every tap of a block of outputs in a
//! row lies at the same distance from the block's first input.

use std::ops::Range;

use super::{
    Filters, Finish, Sizes,
    block::{Place, begin, finish},
    panels::Panels,
};
use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    simd::{Kernel, Simd, Tiles, dispatch},
    split,
    window::{Axis, taps},
};

/// The most elements that padded planes may have: a padding may be far larger than the input.
const LARGEST: usize = 1 << 28;

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
        let panels =
            Panels::new(isa, rows, filters.out_channels, |row, column| filters.weights[column * rows + row]);
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
        let padded = Padded::new(sizes, self.depth);
        padded.len().filter(|&len| len <= LARGEST)?;
        let planes = padded.fill(input);
        let offsets = padded.offsets(self.depth);
        let len = sizes.batch * sizes.outputs() * self.panels.columns;
        let steps = sizes.window[2].output * self.panels.depth * self.panels.columns / 8;
        let work = |rows: Range<usize>, out: Fresh| {
            dispatch(
                self.isa,
                Lines { conv: self, padded: &padded, planes: &planes, offsets: &offsets, finish, out, rows },
            );
        };
        // SAFETY: the rows are all that the output has, and each is written by the one task that has it.
        Some(unsafe { filled(len, |out| split::ranges(sizes.rows(), steps, &|rows| work(rows, out))) })
    }
}

/// Planes with the places that windows touch: the padding before, and after as far as the last window reaches.
struct Padded<'a> {
    sizes: &'a Sizes,
    extents: [usize; 3],
    planes: usize,
}

/// Places from the first that a window touches to the last.
fn extent(axis: &Axis) -> usize {
    (axis.output - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1
}

impl<'a> Padded<'a> {
    fn new(sizes: &'a Sizes, depth: usize) -> Self {
        let extents = [0, 1, 2].map(|i| {
            let axis = &sizes.window[i];
            extent(axis).max(axis.pad_begin + axis.input)
        });
        Self { sizes, extents, planes: sizes.batch * depth }
    }

    fn plane(&self) -> usize {
        self.extents.iter().product()
    }

    /// Elements of all planes.
    fn len(&self) -> Option<usize> {
        self.extents.iter().try_fold(self.planes, |len, &extent| len.checked_mul(extent))
    }

    /// The planes with zeros around them.
    fn fill(&self, input: &[f32]) -> Vec<f32> {
        let [outer, middle, inner] = &self.sizes.window;
        let mut padded = vec![0.0; self.planes * self.plane()];
        let lines = self.planes * outer.input * middle.input;
        for (line, from) in input.chunks_exact(inner.input).enumerate().take(lines) {
            let (y, rest) = (line % middle.input, line / middle.input);
            let (z, plane) = (rest % outer.input, rest / outer.input);
            let z = plane * self.extents[0] + z + outer.pad_begin;
            let to = (z * self.extents[1] + y + middle.pad_begin) * self.extents[2] + inner.pad_begin;
            padded[to..to + inner.input].copy_from_slice(from);
        }
        padded
    }

    /// The distance of every channel's every tap from the place of an output.
    fn offsets(&self, depth: usize) -> Vec<usize> {
        let [outer, middle, inner] = &self.sizes.window;
        let mut offsets = Vec::with_capacity(depth * taps(&self.sizes.window));
        for channel in 0..depth {
            for z in 0..outer.kernel {
                for y in 0..middle.kernel {
                    for x in 0..inner.kernel {
                        let plane = channel * self.extents[0] + z * outer.dilation;
                        let line = plane * self.extents[1] + y * middle.dilation;
                        offsets.push(line * self.extents[2] + x * inner.dilation);
                    }
                }
            }
        }
        offsets
    }

    /// The place of the first output of a row.
    fn line(&self, row: usize, depth: usize) -> usize {
        let [outer, middle, _] = &self.sizes.window;
        let (y, rest) = (row % middle.output, row / middle.output);
        let (z, image) = (rest % outer.output, rest / outer.output);
        let plane = image * depth * self.extents[0] + z * outer.stride;
        (plane * self.extents[1] + y * middle.stride) * self.extents[2]
    }
}

/// Some rows of outputs.
struct Lines<'a> {
    conv: &'a Planes,
    padded: &'a Padded<'a>,
    planes: &'a [f32],
    offsets: &'a [usize],
    finish: Finish,
    out: Fresh,
    rows: Range<usize>,
}

impl Kernel for Lines<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for row in self.rows.clone() {
            for panel in 0..self.conv.panels.count() {
                s.tiles(self.conv.panels.vectors, &Line { lines: &self, row, panel });
            }
        }
    }
}

/// A row of outputs, the columns of one panel.
struct Line<'a> {
    lines: &'a Lines<'a>,
    row: usize,
    panel: usize,
}

impl Tiles for Line<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(&self, s: S) {
        self.lines.line::<S, ROWS, VECTORS>(s, self.row, self.panel);
    }
}

impl Lines<'_> {
    #[inline(always)]
    fn line<S: Simd, const MR: usize, const NV: usize>(&self, s: S, row: usize, panel: usize) {
        let inner = &self.padded.sizes.window[2];
        let from = self.planes.as_ptr().wrapping_add(self.padded.line(row, self.conv.depth));
        let mut x = 0;
        while x < inner.output {
            let at = from.wrapping_add(x * inner.stride);
            let out = row * inner.output + x;
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
        let stride = self.padded.sizes.window[2].stride;
        let mut weights = panels.panel(panel);
        // SAFETY: every tap of the `MR` outputs from `from` on lies within the padded planes; the panel has a
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
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn every_instruction_set_follows_the_definition(
            sizes in any_sizes(),
            depth in 1usize..5,
            width in prop_oneof![1usize..24, 60usize..140],
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
