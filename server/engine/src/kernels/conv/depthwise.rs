//! Convolutions whose channels do not mix: tap by tap over whole lines.

use super::{Geometry, Operands, columns::split};
use crate::{
    error::Result,
    kernels::{
        parallel,
        real::Real,
        window::{self, Axis, Window},
    },
};

/// Convolves each channel with its own taps.
///
/// # Errors
/// None; the form fits the other strategies.
pub(super) fn run<T: Real>(geometry: &Geometry, operands: Operands<'_, T>, out: &mut [T]) -> Result<()> {
    let window = &geometry.window;
    let (places, taps) = (window::inputs(window), window::taps(window));
    parallel::chunks(out, window::outputs(window), geometry.steps(), |i, plane| {
        let channel = i % geometry.out_channels.max(1);
        let input = operands.input.get(i * places..(i + 1) * places).unwrap_or_default();
        let weights = operands.weights.get(channel * taps..(channel + 1) * taps).unwrap_or_default();
        plane.fill(operands.bias.and_then(|bias| bias.get(channel)).copied().unwrap_or_else(T::zero));
        convolve(window, input, weights, plane);
        Ok(())
    })
}

fn convolve<T: Real>(window: &Window, input: &[T], weights: &[T], plane: &mut [T]) {
    let [depth, height, width] = window;
    for (line, out) in plane.chunks_exact_mut(width.output.max(1)).enumerate() {
        for (tap, &weight) in weights.iter().enumerate() {
            let (z, y, x) = split(window, tap);
            let place = depth.place(line / height.output, z).zip(height.place(line % height.output, y));
            if let Some((d, h)) = place {
                let start = (d * height.input + h) * width.input;
                add_line(width, &input[start..start + width.input], x, weight, out);
            }
        }
    }
}

fn add_line<T: Real>(axis: &Axis, source: &[T], tap: usize, weight: T, out: &mut [T]) {
    let covered = axis.outputs(tap);
    if covered.is_empty() {
        return;
    }
    let start = covered.start * axis.stride + tap * axis.dilation - axis.pad_begin;
    let out = &mut out[covered];
    if axis.stride == 1 {
        let source = &source[start..start + out.len()];
        out.iter_mut().zip(source).for_each(|(out, &v)| *out += weight * v);
    } else {
        let source = source[start..].iter().step_by(axis.stride);
        out.iter_mut().zip(source).for_each(|(out, &v)| *out += weight * v);
    }
}
