//! 3 x 3 convolution of stride 1 with fewer multiplications: tiles of the input and the filters are
//! transformed, multiplied place by place (a matrix product over the channels for each), and transformed back.
//! F(4,3) needs a quarter of the multiplications and loses about one decimal digit, F(2,3) needs 4/9 and
//! loses nothing that matters.

mod tiles;
mod transform;

use super::{
    Filters, Finish, Sizes,
    block::{Place, Rows, add, begin, put},
    panels::Panels,
};
use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    pool,
    scratch::with_scratch,
    simd::{Simd, Tiles, dispatch},
    split,
    window::Axis,
};

use tiles::{Grid, Stage, Way};

/// Floats of transformed tiles that stay in a core's second-level cache.
const CHUNK: usize = 160 << 10;

/// Which form of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// F(2,3): tiles of 2 by 2 outputs from 4 by 4 inputs.
    Two,
    /// F(4,3): tiles of 4 by 4 outputs from 6 by 6 inputs.
    Four,
}

impl Form {
    /// Inputs of a tile's side.
    const fn side(self) -> usize {
        match self {
            Self::Two => 4,
            Self::Four => 6,
        }
    }
}

/// The transformed weights of a convolution, made ready for an instruction set.
#[derive(Debug)]
pub struct Winograd {
    isa: Isa,
    form: Form,
    in_channels: usize,
    out_channels: usize,
    /// One matrix for each place of a tile.
    panels: Vec<Panels>,
    bias: Vec<f32>,
    /// As many zeros as a panel has columns.
    zeros: Vec<f32>,
}

impl Winograd {
    /// Transforms weights; `None` where lengths do not fit, there are groups, or filters are not 3 x 3.
    pub fn new(isa: Isa, form: Form, filters: &Filters<'_>) -> Option<Self> {
        filters.taps().filter(|&taps| taps == 9 && filters.groups == 1)?;
        let panels = match form {
            Form::Two => transformed::<4>(isa, filters),
            Form::Four => transformed::<6>(isa, filters),
        };
        let (depth, columns) = (filters.in_channels, filters.out_channels);
        let width = panels.first().map_or(0, |panels| panels.width);
        let bias = filters.padded_bias(0..columns, columns);
        Some(Self {
            isa,
            form,
            in_channels: depth,
            out_channels: columns,
            panels,
            bias,
            zeros: vec![0.0; width],
        })
    }

    /// Whether a window is one that the algorithm can do.
    pub fn takes(sizes: &Sizes) -> bool {
        let [outer, middle, inner] = &sizes.window;
        let filter = |axis: &Axis| axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1;
        outer.is_trivial() && filter(middle) && filter(inner)
    }

    /// Bytes that the transformed weights take.
    pub fn bytes(&self) -> usize {
        self.panels.iter().map(Panels::bytes).sum()
    }

    /// Convolves an input of `sizes`, `[batch, places, channels]`, and adds `residual`, which has the output's
    /// shape, before the finish; `None` where a length does not fit or [`Self::takes`] does not hold.
    pub fn run(
        &self,
        sizes: &Sizes,
        input: &[f32],
        residual: Option<&[f32]>,
        finish: Finish,
    ) -> Option<Vec<f32>> {
        let len = sizes.batch * sizes.outputs() * self.out_channels;
        let fits = input.len() == sizes.batch * sizes.places() * self.in_channels
            && residual.is_none_or(|residual| residual.len() == len);
        if !fits || !Self::takes(sizes) {
            return None;
        }
        let grid = Grid::new(sizes, self.form.side() - 2);
        let each = self.panels.len() * (self.in_channels + self.out_channels);
        let tiles = grid.tiles();
        let chunk = (CHUNK / each.max(1)).max(24).min(tiles.max(1));
        let chunks = tiles.div_ceil(chunk);
        let work = |chunk: usize, out: Fresh| {
            let range = chunk * tiles / chunks..(chunk + 1) * tiles / chunks;
            self.chunk(&Way { conv: self, grid: &grid, input, residual, out, finish, range });
        };
        // SAFETY: the chunks have all tiles, the tiles all outputs, and none twice.
        Some(unsafe {
            filled(len, |out| {
                if chunks >= 2 * pool::threads() {
                    pool::run(chunks, &|chunk| work(chunk, out));
                } else {
                    // The stages of each chunk share the threads instead.
                    (0..chunks).for_each(|chunk| work(chunk, out));
                }
            })
        })
    }

    /// All stages of some tiles.
    fn chunk(&self, way: &Way<'_>) {
        let (count, places) = (way.range.len(), self.panels.len());
        let (inputs, outputs) = (places * count * self.in_channels, places * count * self.out_channels);
        with_scratch(inputs + outputs, |scratch| {
            let (from, to) = scratch.split_at_mut(inputs);
            let (from, to) = (Fresh::over(from), Fresh::over(to));
            let stage = |stage: Stage, range| dispatch(self.isa, way.part(stage, from, to, range));
            split::ranges(count, places * self.in_channels * 4, &|range| stage(Stage::Input, range));
            split::ranges(places, split::products(count * self.in_channels * self.out_channels), &|range| {
                stage(Stage::Product, range);
            });
            split::ranges(count, places * self.out_channels * 4, &|range| stage(Stage::Output, range));
        });
    }
}

/// Transformed filters: for each place of a tile `[in channels, out channels]`.
fn transformed<const T: usize>(isa: Isa, filters: &Filters<'_>) -> Vec<Panels> {
    let (depth, columns) = (filters.in_channels, filters.out_channels);
    let mut made: Vec<Panels> = (0..T * T).map(|_| Panels::zeroed(isa, depth, columns)).collect();
    let width = made.first().map_or(1, |panels| panels.width);
    // As the panels lie, so that each is written in order.
    for begin in (0..columns).step_by(width) {
        for channel in 0..depth {
            for out in begin..columns.min(begin + width) {
                let weights = &filters.weights[(out * depth + channel) * 9..][..9];
                let line =
                    |y: usize| transform::filter::<T>([0, 1, 2].map(|x| f64::from(weights[y * 3 + x])));
                let lines = [line(0), line(1), line(2)];
                for x in 0..T {
                    let column = transform::filter::<T>([lines[0][x], lines[1][x], lines[2][x]]);
                    for (y, &weight) in column.iter().enumerate() {
                        made[y * T + x].set(channel, out, weight as f32);
                    }
                }
            }
        }
    }
    made
}

/// A product of transformed tiles and a place's filters.
struct Product<'a> {
    conv: &'a Winograd,
    place: usize,
    /// The place's tiles, each with all input channels.
    from: *const f32,
    /// The place's products.
    to: *mut f32,
    count: usize,
}

impl Tiles for Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(&self, s: S) {
        self.rows::<S, ROWS, VECTORS>(s);
    }
}

impl Product<'_> {
    #[inline(always)]
    fn rows<S: Simd, const MR: usize, const NV: usize>(&self, s: S) {
        for panel in 0..self.conv.panels[self.place].count() {
            let mut row = 0;
            while row < self.count {
                row += match self.count - row {
                    left if left >= MR => self.block::<S, MR, NV>(s, panel, row),
                    4.. => self.block::<S, 4, NV>(s, panel, row),
                    2.. => self.block::<S, 2, NV>(s, panel, row),
                    _ => self.block::<S, 1, NV>(s, panel, row),
                };
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const MR: usize, const NV: usize>(&self, s: S, panel: usize, row: usize) -> usize {
        let (depth, step) = (self.conv.in_channels, self.conv.out_channels);
        let panels = &self.conv.panels[self.place];
        let column = panel * panels.width;
        let mut pointers = [std::ptr::null(); MR];
        for (i, pointer) in pointers.iter_mut().enumerate() {
            *pointer = self.from.wrapping_add((row + i) * depth);
        }
        let rows = Rows { pointers: pointers.as_ptr(), step: MR, taps: 1, skip: 0, depth };
        let to = self.to.wrapping_add(row * step + column);
        let columns = (step - column).min(panels.width);
        let place = Place { to, residual: std::ptr::null(), step, columns };
        let weights = panels.panel(panel);
        // The panel after this one, which while there are few rows is asked for in time.
        let next = weights.wrapping_add(depth * panels.width + row / MR * depth * 32);
        // SAFETY: `MR` tiles are left from `row` on, each with all channels; the panel has a row for each
        // channel; the zeros are as many as a panel has columns; only columns that are there are written.
        unsafe {
            let mut sums = begin::<S, MR, NV>(s, self.conv.zeros.as_ptr());
            add(s, rows, weights, next, &mut sums);
            put(s, &sums, place);
        }
        MR
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conv::reference::{Case, any_finish, axis, close, numbers};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(100)))]
        #[test]
        fn every_instruction_set_and_form_follows_the_definition(
            batch in 1usize..4,
            (height, width) in (1usize..14, 1usize..14),
            (top, left) in (0usize..2, 0usize..3),
            (depth, columns) in (1usize..40, 1usize..40),
            finish in any_finish(),
            residual in any::<bool>(),
        ) {
            let (y, x) = (axis(height, 3, 1, 1, (top, 1)), axis(width, 3, 1, 1, (left, 1)));
            prop_assume!(y.output > 0 && x.output > 0);
            let sizes = Sizes { batch, window: [Axis::ONE, y, x] };
            let case = Case { sizes, groups: 1, in_channels: depth, out_channels: columns };
            let (weights, bias) = (case.weights(), case.bias());
            let filters = Filters {
                groups: 1,
                in_channels: depth,
                out_channels: columns,
                weights: &weights,
                bias: Some(&bias),
            };
            let residual = residual.then(|| numbers(case.outputs(), 4));
            let sums = case.sums_and(residual.as_deref());
            for (form, tolerance) in [(Form::Two, 5e-6), (Form::Four, 3e-5)] {
                for isa in Isa::available() {
                    let conv = Winograd::new(isa, form, &filters).unwrap();
                    let made = conv.run(&sizes, &case.input(), residual.as_deref(), finish).unwrap();
                    close(&made, &sums, finish, tolerance)?;
                }
            }
        }
    }

    #[test]
    fn only_its_own_windows_are_taken() {
        let window = |kernel, stride, dilation| {
            let axis = axis(9, kernel, stride, dilation, (1, 1));
            Sizes { batch: 1, window: [Axis::ONE, axis, axis] }
        };
        assert!(Winograd::takes(&window(3, 1, 1)));
        assert!(!Winograd::takes(&window(3, 2, 1)));
        assert!(!Winograd::takes(&window(3, 1, 2)));
        assert!(!Winograd::takes(&window(5, 1, 1)));
    }
}
