//! Convolutions: as matrix products over columns of input places, or tap by tap where channels do not mix.
//!
//! Layouts: input `[batch, channels, places]`, weights `[out channels, channels / groups, taps]`, output
//! `[batch, out channels, outputs]`, rows one after the other.

mod columns;
mod depthwise;
mod transpose;

#[cfg(test)]
mod tests;

pub(crate) use transpose::run as run_transpose;

use super::{
    gemm::{Into, product},
    matrix::{Layout, Mat, MatMut, Shared},
    parallel,
    real::Real,
    window::{self, Axis, Window},
};
use crate::{
    error::{OpError, Result},
    value::checked_len,
};

/// The sizes of a convolution. For a transposed one, input and output of each axis stand as those of the
/// convolution that it undoes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) window: Window,
}

impl Geometry {
    fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Multiplications.
    fn steps(&self) -> usize {
        [self.batch, self.out_channels, self.group_inputs(), window::taps(&self.window)]
            .into_iter()
            .fold(window::outputs(&self.window), usize::saturating_mul)
    }
}

/// What a convolution reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands<'a, T> {
    pub(crate) input: &'a [T],
    pub(crate) weights: &'a [T],
    /// One for each output channel.
    pub(crate) bias: Option<&'a [T]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Strategy {
    /// One input and one output channel in each group.
    Depthwise,
    /// The input itself is the matrix of columns.
    Pointwise,
    /// Columns are gathered first.
    Columns,
}

fn strategy(geometry: &Geometry) -> Strategy {
    if geometry.group_inputs() == 1 && geometry.group_outputs() == 1 {
        Strategy::Depthwise
    } else if geometry.window.iter().all(Axis::is_trivial) {
        Strategy::Pointwise
    } else {
        Strategy::Columns
    }
}

/// Convolves.
///
/// # Errors
/// `Invalid` where a slice is shorter than the sizes say.
pub(crate) fn run<T: Real>(geometry: &Geometry, operands: Operands<'_, T>, out: &mut [T]) -> Result<()> {
    let outputs = window::outputs(&geometry.window);
    if out.is_empty() {
        return Ok(());
    }
    match strategy(geometry) {
        Strategy::Depthwise => depthwise::run(geometry, operands, out),
        strategy => {
            let tile = tile(geometry, strategy, outputs);
            let tiles = outputs.div_ceil(tile);
            let shared = Shared::new(out);
            let tasks = geometry.batch * geometry.groups * tiles;
            parallel::tasks(tasks, geometry.steps(), Vec::new, |scratch, task| {
                let (image, rest) = (task / (geometry.groups * tiles), task % (geometry.groups * tiles));
                let begin = rest % tiles * tile;
                let tile =
                    Tile { image, group: rest / tiles, begin, len: tile.min(outputs - begin), strategy };
                tile.run(geometry, operands, &shared, scratch)
            })
        }
    }
}

/// Outputs that are computed at once: so many that the columns stay in a core's cache, and so few that
/// every thread has work.
fn tile(geometry: &Geometry, strategy: Strategy, outputs: usize) -> usize {
    const COLUMN_ELEMENTS: usize = 192 << 10;
    const LEAST: usize = 64;
    let threads = parallel::threads(geometry.steps());
    let units = geometry.batch * geometry.groups;
    let shares = if units >= threads { 1 } else { threads.div_ceil(units.max(1)) };
    let fair = outputs.div_ceil(shares).max(LEAST);
    let rows = (geometry.group_inputs() * window::taps(&geometry.window)).max(1);
    match strategy {
        Strategy::Columns => fair.min((COLUMN_ELEMENTS / rows).max(LEAST)),
        Strategy::Pointwise | Strategy::Depthwise => fair,
    }
    .max(1)
}

/// Some outputs of one group of one image, in all its channels.
struct Tile {
    image: usize,
    group: usize,
    begin: usize,
    len: usize,
    strategy: Strategy,
}

impl Tile {
    fn run<T: Real>(
        &self,
        geometry: &Geometry,
        operands: Operands<'_, T>,
        out: &Shared<'_, T>,
        scratch: &mut Vec<T>,
    ) -> Result<()> {
        let rows = geometry.group_inputs() * window::taps(&geometry.window);
        let channels = geometry.group_outputs();
        let weights =
            Mat::new(operands.weights, self.group * channels * rows, Layout::dense(channels, rows))?;
        let into = self.window(geometry, out)?;
        let first = self.image * geometry.in_channels + self.group * geometry.group_inputs();
        let places = window::inputs(&geometry.window);
        let into = match self.strategy {
            Strategy::Pointwise => {
                let layout = Layout { row_stride: places, ..Layout::dense(rows, self.len) };
                let input = Mat::new(operands.input, first * places + self.begin, layout)?;
                product_of(into, weights, input)?
            }
            Strategy::Columns | Strategy::Depthwise => {
                let input = operands
                    .input
                    .get(first * places..(first + geometry.group_inputs()) * places)
                    .ok_or_else(|| OpError::invalid("the input is shorter than its shape"))?;
                scratch.resize(checked_len::<T>(&[rows, self.len])?, T::zero());
                columns::gather(&geometry.window, input, self.begin..self.begin + self.len, scratch);
                product_of(into, weights, Mat::new(scratch, 0, Layout::dense(rows, self.len))?)?
            }
        };
        let bias = operands.bias.and_then(|bias| bias.get(self.group * channels..));
        add_bias(into, bias);
        Ok(())
    }

    fn window<'a, T>(&self, geometry: &Geometry, out: &Shared<'a, T>) -> Result<MatMut<'a, T>> {
        let outputs = window::outputs(&geometry.window);
        let channels = geometry.group_outputs();
        let first = self.image * geometry.out_channels + self.group * channels;
        let layout = Layout { row_stride: outputs, ..Layout::dense(channels, self.len) };
        // SAFETY: tasks differ in image, group or tile; images and groups own different channels of the
        // output, and tiles different outputs within a channel, so that no two windows share an element.
        unsafe { out.window(first * outputs + self.begin, layout) }
    }
}

fn product_of<'a, T: Real>(
    mut into: MatMut<'a, T>,
    weights: Mat<'_, T>,
    columns: Mat<'_, T>,
) -> Result<MatMut<'a, T>> {
    product(into.reborrow(), Into::Replace, T::one(), weights, columns)?;
    Ok(into)
}

fn add_bias<T: Real>(mut into: MatMut<'_, T>, bias: Option<&[T]>) {
    for (row, &bias) in bias.unwrap_or_default().iter().enumerate().take(into.rows()) {
        into.row(row).iter_mut().for_each(|v| *v += bias);
    }
}
