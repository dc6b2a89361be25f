//! Gathers the input places under each tap into a matrix `[channels x taps, outputs]` (im2col), and adds such
//! a matrix back to the places that it came from (col2im).

use std::ops::Range;

use crate::kernels::{
    real::Real,
    window::{self, Axis, Window},
};

/// Fills `columns` with the places under the taps of the outputs in `range`, zero in the padding.
/// `input` is `[channels, places]`.
pub(super) fn gather<T: Real>(window: &Window, input: &[T], range: Range<usize>, columns: &mut [T]) {
    let (places, taps) = (window::inputs(window).max(1), window::taps(window));
    let rows = input.chunks_exact(places).flat_map(|plane| (0..taps).map(move |tap| (plane, tap)));
    for ((plane, tap), row) in rows.zip(columns.chunks_exact_mut(range.len().max(1))) {
        fill(window, plane, tap, range.clone(), row);
    }
}

/// One row: the places under one tap.
fn fill<T: Real>(window: &Window, plane: &[T], tap: usize, range: Range<usize>, row: &mut [T]) {
    let [depth, height, width] = window;
    let (z, y, x) = split(window, tap);
    let mut rest = row;
    let mut next = range.start;
    while next < range.end && !rest.is_empty() {
        let (line, first) = (next / width.output, next % width.output);
        let len = (width.output - first).min(range.end - next);
        let (head, tail) = rest.split_at_mut(len.min(rest.len()));
        let source = depth
            .place(line / height.output, z)
            .zip(height.place(line % height.output, y))
            .map(|(d, h)| (d * height.input + h) * width.input)
            .and_then(|start| plane.get(start..start + width.input));
        match source {
            Some(source) => copy_line(width, source, x, first, head),
            None => head.fill(T::zero()),
        }
        rest = tail;
        next += len;
    }
}

/// The places under tap `tap` of the outputs from `first` on.
fn copy_line<T: Real>(axis: &Axis, source: &[T], tap: usize, first: usize, into: &mut [T]) {
    let covered = axis.outputs(tap);
    let begin = covered.start.clamp(first, first + into.len()) - first;
    let end = covered.end.clamp(first + begin, first + into.len()) - first;
    into[..begin].fill(T::zero());
    into[end..].fill(T::zero());
    if begin == end {
        return;
    }
    let start = (first + begin) * axis.stride + tap * axis.dilation - axis.pad_begin;
    let into = &mut into[begin..end];
    if axis.stride == 1 {
        into.copy_from_slice(&source[start..start + into.len()]);
    } else {
        let source = source[start..].iter().step_by(axis.stride);
        into.iter_mut().zip(source).for_each(|(into, &v)| *into = v);
    }
}

/// Adds `columns` `[channels x taps, outputs]` to the places of `into` `[channels, places]` that lie under
/// the taps.
pub(super) fn scatter<T: Real>(window: &Window, columns: &[T], into: &mut [T]) {
    let [depth, height, width] = window;
    let (places, taps) = (window::inputs(window).max(1), window::taps(window));
    let outputs = window::outputs(window).max(1);
    for (i, row) in columns.chunks_exact(outputs).enumerate() {
        let (z, y, x) = split(window, i % taps);
        let Some(plane) = into.get_mut(i / taps * places..(i / taps + 1) * places) else { return };
        for (line, values) in row.chunks_exact(width.output.max(1)).enumerate() {
            let target = depth.place(line / height.output, z).zip(height.place(line % height.output, y));
            if let Some((d, h)) = target {
                let start = (d * height.input + h) * width.input;
                add_line(width, values, x, &mut plane[start..start + width.input]);
            }
        }
    }
}

fn add_line<T: Real>(axis: &Axis, values: &[T], tap: usize, into: &mut [T]) {
    let covered = axis.outputs(tap);
    if covered.is_empty() {
        return;
    }
    let start = covered.start * axis.stride + tap * axis.dilation - axis.pad_begin;
    let into = into[start..].iter_mut().step_by(axis.stride);
    into.zip(&values[covered]).for_each(|(into, &v)| *into += v);
}

/// A tap by axis.
pub(super) const fn split(window: &Window, tap: usize) -> (usize, usize, usize) {
    let [_, height, width] = window;
    (tap / width.kernel / height.kernel, tap / width.kernel % height.kernel, tap % width.kernel)
}
