//! Convolution that mixes the channels of a group, as an implicit product: the left matrix is never made,
//! pointers to the input's places stand for its rows.

use std::ops::Range;

use super::{
    Finish, Sizes,
    block::{Place, Rows, add, begin, finish, put, resume},
    panels::Panels,
    taps::{Image, Zeros},
};
use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    pool,
    simd::{Kernel, Simd, Tiles, dispatch},
    split,
    window::taps,
};

/// The most rows of the left matrix whose pointers are held at once.
const ROWS: usize = 384;

/// Rows of a panel that are used up before the next outputs' turn, so that they stay near.
const DEPTH: usize = 768;

/// The weights of a convolution, made ready for an instruction set.
#[derive(Debug)]
pub struct Mixed {
    isa: Isa,
    groups: usize,
    /// Input channels of a group.
    depth: usize,
    /// Output channels of a group.
    width: usize,
    /// One for each group.
    panels: Vec<Panels>,
    /// Group by group, padded to whole panels.
    bias: Vec<f32>,
}

/// What a convolution's weights are.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Input channels of all groups.
    pub in_channels: usize,
    /// Output channels of all groups.
    pub out_channels: usize,
    /// `[out channels, in channels / groups, taps]`.
    pub weights: &'a [f32],
    /// One for each output channel.
    pub bias: Option<&'a [f32]>,
}

impl Filters<'_> {
    /// The number of taps; `None` where lengths do not fit.
    pub(crate) fn taps(&self) -> Option<usize> {
        let fits = self.groups > 0
            && self.in_channels.is_multiple_of(self.groups)
            && self.out_channels.is_multiple_of(self.groups)
            && self.bias.is_none_or(|bias| bias.len() == self.out_channels);
        let each = self.out_channels.checked_mul(self.in_channels.checked_div(self.groups)?)?;
        let taps = self.weights.len().checked_div(each)?;
        (fits && taps > 0 && taps * each == self.weights.len()).then_some(taps)
    }

    /// The bias of some channels, zeros where there is none, padded to `len`.
    pub(crate) fn padded_bias(&self, channels: Range<usize>, len: usize) -> Vec<f32> {
        let given = self.bias.and_then(|bias| bias.get(channels)).unwrap_or_default();
        given.iter().copied().chain(std::iter::repeat(0.0)).take(len).collect()
    }
}

impl Mixed {
    /// Packs weights for `isa`; `None` where lengths do not fit.
    pub fn new(isa: Isa, filters: &Filters<'_>) -> Option<Self> {
        let taps = filters.taps()?;
        let (depth, width) = (filters.in_channels / filters.groups, filters.out_channels / filters.groups);
        let panels: Vec<Panels> = (0..filters.groups)
            .map(|group| {
                let first = |row: usize| (group * width * depth + row % depth) * taps + row / depth;
                Panels::new(isa, [taps * depth, width], filters.weights, depth * taps, first)
            })
            .collect();
        let padded = panels.first().map_or(0, |panels| panels.count() * panels.width);
        let bias = (0..filters.groups)
            .flat_map(|group| filters.padded_bias(group * width..(group + 1) * width, padded))
            .collect();
        Some(Self { isa, groups: filters.groups, depth, width, panels, bias })
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        self.panels.iter().map(Panels::bytes).sum()
    }

    /// Convolves an input of `sizes` and adds `residual`, which has the output's shape, before the finish;
    /// `None` where a length or the number of taps does not fit.
    pub fn run(
        &self,
        sizes: &Sizes,
        input: &[f32],
        residual: Option<&[f32]>,
        finish: Finish,
    ) -> Option<Vec<f32>> {
        let channels = self.groups * self.depth;
        let rows = sizes.batch * sizes.outputs();
        let len = rows * self.groups * self.width;
        let first = self.panels.first()?;
        let fits = input.len() == sizes.batch * sizes.places() * channels
            && first.depth == taps(&sizes.window) * self.depth
            && residual.is_none_or(|residual| residual.len() == len);
        if !fits {
            return None;
        }
        let zeros = Zeros::new(self.depth);
        let job = Job { conv: self, sizes, input, residual, finish, zeros: &zeros };
        let cut = Cut::new(rows, self.groups * first.count(), first.depth * first.width);
        // SAFETY: the parts cover all rows and all columns of all groups, and none twice.
        Some(unsafe { filled(len, |out| cut.run(&|part| dispatch(self.isa, PartOf { job, part, out }))) })
    }
}

/// How the output is cut into parts: by rows, or by panels where there are few rows.
#[derive(Clone, Copy)]
struct Cut {
    rows: usize,
    row_parts: usize,
    panels: usize,
    panel_parts: usize,
}

/// Some rows of some panels, counted through all groups.
struct Part {
    rows: Range<usize>,
    panels: Range<usize>,
}

impl Cut {
    fn new(rows: usize, panels: usize, steps: usize) -> Self {
        // A part of few rows loads whole panels for little work.
        const FEW: usize = 96;
        let tasks = split::tasks(rows * panels, split::products(steps));
        let mut row_parts = tasks.min(rows.div_ceil(FEW)).max(1);
        let threads = pool::threads();
        // As many for each thread: of three parts on two threads one would wait for the other's second.
        if row_parts > threads {
            row_parts -= row_parts % threads;
        }
        Self { rows, row_parts, panels, panel_parts: tasks.div_ceil(row_parts).min(panels).max(1) }
    }

    fn run(self, work: &(dyn Fn(Part) + Sync)) {
        let tasks = self.row_parts * self.panel_parts;
        pool::run(tasks, &|task| {
            let (row, panel) = (task % self.row_parts, task / self.row_parts);
            let range = |i: usize, parts: usize, all: usize| i * all / parts..(i + 1) * all / parts;
            work(Part {
                rows: range(row, self.row_parts, self.rows),
                panels: range(panel, self.panel_parts, self.panels),
            });
        });
    }
}

/// One application.
#[derive(Clone, Copy)]
struct Job<'a> {
    conv: &'a Mixed,
    sizes: &'a Sizes,
    input: &'a [f32],
    residual: Option<&'a [f32]>,
    finish: Finish,
    zeros: &'a Zeros,
}

struct PartOf<'a> {
    job: Job<'a>,
    part: Part,
    out: Fresh,
}

impl Kernel for PartOf<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let mut pointers = Vec::new();
        let mut first = self.part.rows.start;
        while first < self.part.rows.end {
            let count = (self.part.rows.end - first).min(ROWS);
            let per_group = self.job.conv.panels.first().map_or(1, Panels::count);
            let mut panel = self.part.panels.start;
            while panel < self.part.panels.end {
                let group = panel / per_group;
                let end = self.part.panels.end.min((group + 1) * per_group);
                self.job.point(group, first, count, &mut pointers);
                let chunk = Chunk { job: self.job, group, first, count, pointers: &pointers, out: self.out };
                for panel in panel..end {
                    chunk.panel(s, panel - group * per_group);
                }
                panel = end;
            }
            first += count;
        }
    }
}

impl Job<'_> {
    /// The pointers of `count` rows from `first` on: for each tap those of all rows.
    fn point(&self, group: usize, first: usize, count: usize, into: &mut Vec<*const f32>) {
        let window = &self.sizes.window;
        let width = window[2].output;
        let per_image = window[0].output * window[1].output;
        let channels = self.conv.groups * self.conv.depth;
        into.clear();
        for tap in 0..taps(window) {
            let mut row = first;
            while row < first + count {
                let (line, x) = (row / width, row % width);
                let part = (width - x).min(first + count - row);
                let start = line / per_image * self.sizes.places() * channels + group * self.conv.depth;
                let start = self.input.as_ptr().wrapping_add(start);
                let image = Image { window, start, step: channels, zeros: self.zeros.as_ptr() };
                image.tap(tap, line % per_image, x, part, into);
                row += part;
            }
        }
    }
}

/// Rows whose pointers are known, of one group.
struct Chunk<'a> {
    job: Job<'a>,
    group: usize,
    first: usize,
    count: usize,
    pointers: &'a [*const f32],
    out: Fresh,
}

/// Some rows of a panel: whole taps, or some channels of one tap.
#[derive(Clone, Copy)]
struct Slab {
    tap: usize,
    taps: usize,
    skip: usize,
    depth: usize,
    first: bool,
    last: bool,
}

/// All rows of a chunk past a slab of a panel.
struct Pass<'a> {
    chunk: &'a Chunk<'a>,
    panel: usize,
    slab: Slab,
}

impl Tiles for Pass<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const ROWS: usize>(&self, s: S) {
        self.chunk.rows::<S, ROWS, VECTORS>(s, self.panel, self.slab);
    }
}

impl Chunk<'_> {
    #[inline(always)]
    fn panel<S: Simd>(&self, s: S, panel: usize) {
        let depth = self.job.conv.depth;
        let Panels { depth: rows, vectors, .. } = self.job.conv.panels[self.group];
        let taps = rows / depth;
        let (taps_each, depth_each) = slab(taps, depth);
        let mut tap = 0;
        while tap < taps {
            let count = taps_each.min(taps - tap);
            let mut skip = 0;
            while skip < depth {
                let part = depth_each.min(depth - skip);
                let (first, last) = (tap == 0 && skip == 0, tap + count == taps && skip + part == depth);
                let slab = Slab { tap, taps: count, skip, depth: part, first, last };
                s.tiles(vectors, &Pass { chunk: self, panel, slab });
                skip += part;
            }
            tap += count;
        }
    }

    /// All rows, in blocks of `MR` and smaller ones in the end.
    #[inline(always)]
    fn rows<S: Simd, const MR: usize, const NV: usize>(&self, s: S, panel: usize, slab: Slab) {
        let panels = &self.job.conv.panels[self.group];
        let step = (slab.tap * self.job.conv.depth + slab.skip) * panels.width;
        let weights = panels.panel(panel).wrapping_add(step);
        let after = weights.wrapping_add(slab.taps * slab.depth * panels.width);
        let steps = slab.taps * slab.depth;
        let (mut row, mut ahead) = (0, 0);
        while row < self.count {
            // The panel that comes next is asked for while the first blocks are summed.
            let next = if ahead < panels.vectors.div_ceil(2) {
                after.wrapping_add(ahead * steps * 32)
            } else {
                weights
            };
            ahead += 1;
            row += match self.count - row {
                left if left >= MR => self.block::<S, MR, NV>(s, row, panel, weights, next, slab),
                6.. if MR > 6 => self.block::<S, 6, NV>(s, row, panel, weights, next, slab),
                4.. => self.block::<S, 4, NV>(s, row, panel, weights, next, slab),
                2.. => self.block::<S, 2, NV>(s, row, panel, weights, next, slab),
                _ => self.block::<S, 1, NV>(s, row, panel, weights, next, slab),
            };
        }
    }

    #[inline(always)]
    fn block<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        row: usize,
        panel: usize,
        weights: *const f32,
        next: *const f32,
        slab: Slab,
    ) -> usize {
        let conv = self.job.conv;
        let panels = &conv.panels[self.group];
        let columns = (conv.width - panel * panels.width).min(panels.width);
        let step = conv.groups * conv.width;
        let offset = (self.first + row) * step + self.group * conv.width + panel * panels.width;
        let residual = self.job.residual.map_or(std::ptr::null(), |all| all.as_ptr().wrapping_add(offset));
        let place = Place { to: self.out.at(offset), residual, step, columns };
        let pointers = self.pointers.as_ptr().wrapping_add(slab.tap * self.count + row);
        let rows = Rows { pointers, step: self.count, taps: slab.taps, skip: slab.skip, depth: slab.depth };
        let bias = (self.group * panels.count() + panel) * panels.width;
        // SAFETY: `MR` rows are left from `row` on; the pointers lead to places of the input or to zeros, with
        // a group's channels each; the panel has the slab's rows; the bias is padded to whole panels; output
        // and residual have these rows and columns, which no other task touches.
        unsafe {
            let mut sums = if slab.first {
                begin::<S, MR, NV>(s, conv.bias.as_ptr().add(bias))
            } else {
                resume::<S, MR, NV>(s, place)
            };
            add(s, rows, weights, next, &mut sums);
            if slab.last {
                finish(s, &sums, place, (conv.isa, self.job.finish))
            } else {
                put(s, &sums, place)
            }
        }
        MR
    }
}

/// Taps and channels of a slab: whole taps where one is short, parts of a tap where it is long.
fn slab(taps: usize, depth: usize) -> (usize, usize) {
    if depth < DEPTH {
        return ((DEPTH / depth).min(taps), depth);
    }
    (1, depth.div_ceil(depth.div_ceil(DEPTH)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conv::reference::{Case, any_finish, any_sizes, close, numbers};

    fn check(case: &Case, finish: Finish, with_residual: bool) -> Result<(), TestCaseError> {
        let (weights, bias) = (case.weights(), case.bias());
        let filters = Filters {
            groups: case.groups,
            in_channels: case.in_channels,
            out_channels: case.out_channels,
            weights: &weights,
            bias: Some(&bias),
        };
        let residual = with_residual.then(|| numbers(case.outputs(), 4));
        let sums = case.sums_and(residual.as_deref());
        for isa in Isa::available() {
            let conv = Mixed::new(isa, &filters).unwrap();
            let made = conv.run(&case.sizes, &case.input(), residual.as_deref(), finish).unwrap();
            close(&made, &sums, finish, 5e-6)?;
        }
        Ok(())
    }

    #[test]
    fn a_small_image_follows_the_definition() {
        use crate::{conv::reference::axis, window::Axis};
        let window = [Axis::ONE, axis(3, 2, 1, 1, (1, 0)), axis(4, 3, 2, 1, (1, 1))];
        let sizes = Sizes { batch: 2, window };
        let case = Case { sizes, groups: 2, in_channels: 6, out_channels: 18 };
        check(&case, Finish::NONE, true).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(150)))]
        #[test]
        #[cfg_attr(miri, ignore = "too long")]
        fn every_instruction_set_follows_the_definition(
            sizes in any_sizes(),
            groups in prop_oneof![3 => Just(1usize), 1 => 2usize..4],
            depth in 1usize..24,
            width in prop_oneof![1usize..24, 60usize..140],
            finish in any_finish(),
            residual in any::<bool>(),
        ) {
            let case = Case { sizes, groups, in_channels: groups * depth, out_channels: groups * width };
            check(&case, finish, residual)?;
        }

        #[test]
        #[cfg_attr(miri, ignore = "too long")]
        fn long_sums_are_taken_up_where_they_were_left(
            places in 1usize..9,
            depth in 700usize..1700,
            kernel in 1usize..3,
        ) {
            use crate::{conv::reference::axis, window::Axis};
            let inner = axis(places, kernel, 1, 1, (1, 0));
            let sizes = Sizes { batch: 1, window: [Axis::ONE, Axis::ONE, inner] };
            let case = Case { sizes, groups: 1, in_channels: depth, out_channels: 20 };
            check(&case, Finish::NONE, true)?;
        }
    }
}
