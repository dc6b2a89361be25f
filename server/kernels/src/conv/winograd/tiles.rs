//! The stages of some tiles: from the input, through the products, to the output.

use std::ops::Range;

use super::{Product, Winograd, transform};
use crate::{
    conv::{Finish, Sizes},
    fresh::Fresh,
    simd::{Kernel, Simd},
};

/// How the outputs are cut into tiles.
pub(super) struct Grid<'a> {
    sizes: &'a Sizes,
    /// Outputs of a tile's side.
    side: usize,
    /// Rows and columns of tiles in an image.
    rows: usize,
    columns: usize,
}

/// A tile: its image and its first output.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    y: usize,
    x: usize,
}

impl<'a> Grid<'a> {
    pub(super) fn new(sizes: &'a Sizes, side: usize) -> Self {
        let [_, middle, inner] = &sizes.window;
        Self { sizes, side, rows: middle.output.div_ceil(side), columns: inner.output.div_ceil(side) }
    }

    /// Number of tiles of all images.
    pub(super) fn tiles(&self) -> usize {
        self.sizes.batch * self.rows * self.columns
    }

    fn tile(&self, index: usize) -> Tile {
        let (row, image) = (index / self.columns % self.rows, index / (self.columns * self.rows));
        Tile { image, y: row * self.side, x: index % self.columns * self.side }
    }
}

/// One of three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Input,
    Product,
    Output,
}

/// What is done to some tiles.
pub(super) struct Way<'a> {
    pub(super) conv: &'a Winograd,
    pub(super) grid: &'a Grid<'a>,
    pub(super) input: &'a [f32],
    pub(super) residual: Option<&'a [f32]>,
    pub(super) out: Fresh,
    pub(super) finish: Finish,
    /// The tiles.
    pub(super) range: Range<usize>,
}

impl Way<'_> {
    /// A part of a stage: some tiles, or for the products some places of all tiles. `from` holds the
    /// transformed inputs, `to` the products: for each place all tiles of the way, each with all channels.
    pub(super) fn part(&self, stage: Stage, from: Fresh, to: Fresh, range: Range<usize>) -> Part<'_> {
        Part { way: self, stage, from, to, range }
    }
}

/// A part of a stage.
pub(super) struct Part<'a> {
    way: &'a Way<'a>,
    stage: Stage,
    from: Fresh,
    to: Fresh,
    range: Range<usize>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        match (self.stage, self.way.conv.form.side()) {
            (Stage::Input, 6) => self.inputs::<S, 6>(s),
            (Stage::Input, _) => self.inputs::<S, 4>(s),
            (Stage::Product, _) => self.products(s),
            (Stage::Output, 6) => self.outputs::<S, 6>(s),
            (Stage::Output, _) => self.outputs::<S, 4>(s),
        }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn inputs<S: Simd, const T: usize>(&self, s: S) {
        for index in self.range.clone() {
            let tile = self.way.grid.tile(self.way.range.start + index);
            let mut channel = 0;
            while channel < self.way.conv.in_channels {
                self.input::<S, T>(s, index, tile, channel);
                channel += S::LANES;
            }
        }
    }

    /// A vector of channels of a tile.
    #[inline(always)]
    fn input<S: Simd, const T: usize>(&self, s: S, index: usize, tile: Tile, channel: usize) {
        let [_, middle, inner] = &self.way.grid.sizes.window;
        let channels = self.way.conv.in_channels;
        let part = channels - channel;
        let image = tile.image * middle.input * inner.input;
        let mut lines = [[s.splat(0.0); T]; T];
        for (y, line) in lines.iter_mut().enumerate() {
            // Before the first place the difference wraps around to a number that is too large.
            let row = (tile.y + y).wrapping_sub(middle.pad_begin);
            if row >= middle.input {
                continue;
            }
            for (x, place) in line.iter_mut().enumerate() {
                let column = (tile.x + x).wrapping_sub(inner.pad_begin);
                if column < inner.input {
                    let at = (image + row * inner.input + column) * channels + channel;
                    // SAFETY: a place of the image, of which `part` channels are left.
                    *place = unsafe { s.load_part(self.way.input.as_ptr().add(at), part) };
                }
            }
            *line = transform::input::<S, T>(s, *line);
        }
        let count = self.way.range.len();
        for x in 0..T {
            let mut column = [s.splat(0.0); T];
            for (value, line) in column.iter_mut().zip(&lines) {
                *value = line[x];
            }
            let column = transform::input::<S, T>(s, column);
            for (y, &value) in column.iter().enumerate() {
                let at = ((y * T + x) * count + index) * channels + channel;
                // SAFETY: this task's tile, of which `part` channels are left.
                unsafe { s.store_part(self.from.at(at), part, value) }
            }
        }
    }

    #[inline(always)]
    fn products<S: Simd>(&self, s: S) {
        let (conv, count) = (self.way.conv, self.way.range.len());
        for place in self.range.clone() {
            let from = self.from.at(place * count * conv.in_channels);
            let to = self.to.at(place * count * conv.out_channels);
            s.tiles(conv.panels[place].vectors, &Product { conv, place, from, to, count });
        }
    }

    #[inline(always)]
    fn outputs<S: Simd, const T: usize>(&self, s: S) {
        for index in self.range.clone() {
            let tile = self.way.grid.tile(self.way.range.start + index);
            let mut channel = 0;
            while channel < self.way.conv.out_channels {
                self.output::<S, T>(s, index, tile, channel);
                channel += S::LANES;
            }
            self.finish(tile, T - 2);
        }
    }

    /// What happens to a tile's outputs, which are stored, beyond the bounds.
    fn finish(&self, tile: Tile, side: usize) {
        if !self.way.finish.in_registers().1 {
            return;
        }
        let [_, middle, inner] = &self.way.grid.sizes.window;
        let channels = self.way.conv.out_channels;
        let (rows, width) = (side.min(middle.output - tile.y), side.min(inner.output - tile.x));
        let first = (tile.image * middle.output + tile.y) * inner.output + tile.x;
        let to = self.way.out.at(first * channels);
        let step = inner.output * channels;
        // SAFETY: the outputs of this task's tile.
        unsafe { self.way.finish.rows(self.way.conv.isa, to, (rows, step), width * channels) }
    }

    /// A vector of channels of a tile.
    #[inline(always)]
    fn output<S: Simd, const T: usize>(&self, s: S, index: usize, tile: Tile, channel: usize) {
        let [_, middle, inner] = &self.way.grid.sizes.window;
        let (channels, count) = (self.way.conv.out_channels, self.way.range.len());
        let part = channels - channel;
        let mut lines = [[s.splat(0.0); T]; T];
        for x in 0..T {
            let mut column = [s.splat(0.0); T];
            for (y, value) in column.iter_mut().enumerate() {
                let at = ((y * T + x) * count + index) * channels + channel;
                // SAFETY: a product of this tile, of which `part` channels are left.
                *value = unsafe { s.load_part(self.to.at(at), part) };
            }
            let column = transform::output::<S, T>(s, column);
            for (line, value) in lines.iter_mut().zip(column) {
                line[x] = value;
            }
        }
        // SAFETY: one number for each output channel, of which `part` are left.
        let bias = unsafe { s.load_part(self.way.conv.bias.as_ptr().wrapping_add(channel), part) };
        let (early, _) = self.way.finish.in_registers();
        let image = tile.image * middle.output * inner.output;
        let (height, width) = ((T - 2).min(middle.output - tile.y), (T - 2).min(inner.output - tile.x));
        for (y, &line) in lines.iter().enumerate().take(height) {
            let line = transform::output::<S, T>(s, line);
            for (x, &sum) in line.iter().enumerate().take(width) {
                let at = (image + (tile.y + y) * inner.output + tile.x + x) * channels + channel;
                let mut sum = [s.add(sum, bias)];
                // SAFETY: an output of this task's tile, of which `part` channels are left; the residual is
                // as long as the output.
                unsafe {
                    if let Some(residual) = self.way.residual {
                        sum[0] = s.add(sum[0], s.load_part(residual.as_ptr().add(at), part));
                    }
                    early.apply(s, &mut sum);
                    s.store_part(self.way.out.at(at), part, sum[0]);
                }
            }
        }
    }
}
