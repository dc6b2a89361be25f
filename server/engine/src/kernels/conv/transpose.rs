//! Transposed convolutions: one product gives what every input place adds under every tap, and the columns
//! are added up where they overlap.
//!
//! The geometry is that of the convolution that is undone: its window's inputs are our outputs. Weights are
//! `[channels, out channels / groups, taps]`.

use super::{Geometry, Into, Layout, Mat, MatMut, Operands, columns, product};
use crate::{
    error::Result,
    kernels::{
        matrix::Shared,
        parallel,
        real::Real,
        window::{inputs, outputs, taps},
    },
    value::checked_len,
};

/// Convolves, transposed.
///
/// # Errors
/// `Invalid` where a slice is shorter than the sizes say.
pub(crate) fn run<T: Real>(geometry: &Geometry, operands: Operands<'_, T>, out: &mut [T]) -> Result<()> {
    let (from, to) = (outputs(&geometry.window), inputs(&geometry.window));
    if out.is_empty() {
        return Ok(());
    }
    let channels = channels_at_once(geometry);
    let blocks = geometry.group_outputs().div_ceil(channels);
    let steps = geometry.steps();
    let shared = Shared::new(out);
    let tasks = geometry.batch * geometry.groups * blocks;
    parallel::tasks(tasks, steps, Vec::new, |scratch, task| {
        let (image, rest) = (task / (geometry.groups * blocks), task % (geometry.groups * blocks));
        let (group, begin) = (rest / blocks, rest % blocks * channels);
        let channels = channels.min(geometry.group_outputs() - begin);
        let block = Block { image, group, begin, channels };
        block.columns(geometry, operands, from, scratch)?;
        let first = image * geometry.out_channels + group * geometry.group_outputs() + begin;
        // SAFETY: tasks differ in image, group or block, which own different channels of the output.
        let mut into = unsafe { shared.window(first * to, Layout::dense(1, channels * to)) }?;
        let into = into.row(0);
        let bias = operands.bias.and_then(|bias| bias.get(group * geometry.group_outputs() + begin..));
        for (i, plane) in into.chunks_exact_mut(to).enumerate() {
            plane.fill(bias.and_then(|bias| bias.get(i)).copied().unwrap_or_else(T::zero));
        }
        columns::scatter(&geometry.window, scratch, into);
        Ok(())
    })
}

/// So many that the columns stay near a core.
fn channels_at_once(geometry: &Geometry) -> usize {
    const COLUMN_ELEMENTS: usize = 256 << 10;
    let one = (taps(&geometry.window) * outputs(&geometry.window)).max(1);
    (COLUMN_ELEMENTS / one).clamp(1, geometry.group_outputs().max(1))
}

/// Some output channels of one group of one image.
struct Block {
    image: usize,
    group: usize,
    begin: usize,
    channels: usize,
}

impl Block {
    /// `[channels x taps, places]` of what each place adds.
    fn columns<T: Real>(
        &self,
        geometry: &Geometry,
        operands: Operands<'_, T>,
        places: usize,
        scratch: &mut Vec<T>,
    ) -> Result<()> {
        let (depth, taps) = (geometry.group_inputs(), taps(&geometry.window));
        let rows = self.channels * taps;
        let stride = geometry.group_outputs() * taps;
        let first = self.image * geometry.in_channels + self.group * depth;
        let layout = Layout { row_stride: stride, ..Layout::dense(depth, rows) };
        let weights =
            Mat::new(operands.weights, self.group * depth * stride + self.begin * taps, layout.transposed())?;
        let input = Mat::new(operands.input, first * places, Layout::dense(depth, places))?;
        scratch.resize(checked_len::<T>(&[rows, places])?, T::zero());
        product(MatMut::new(scratch, rows, places)?, Into::Replace, T::one(), weights, input)
    }
}
