//! Pools: one number from the places under each window, plane by plane (`[planes, places]` to
//! `[planes, outputs]`).

use super::{
    parallel,
    real::Real,
    window::{self, Window},
};
use crate::error::Result;

/// Calls `pool` for every output with the plane, the output's three places and the plane's number.
fn each<T: Sync, O: Send>(
    window: &Window,
    input: &[T],
    out: &mut [O],
    pool: impl Fn(&[T], [usize; 3], usize) -> O + Sync + Send,
) -> Result<()> {
    let (places, outputs) = (window::inputs(window), window::outputs(window));
    let [_, height, width] = window;
    let steps = out.len().saturating_mul(window::taps(window));
    parallel::chunks(out, outputs, steps, |plane, out| {
        let input = input.get(plane * places..(plane + 1) * places).unwrap_or_default();
        for (line, out) in out.chunks_exact_mut(width.output.max(1)).enumerate() {
            let (z, y) = (line / height.output, line % height.output);
            for (x, out) in out.iter_mut().enumerate() {
                *out = pool(input, [z, y, x], plane);
            }
        }
        Ok(())
    })
}

/// Calls `visit` with every place under the window at `at`, and its element.
#[inline]
fn visit<T: Copy>(window: &Window, plane: &[T], at: [usize; 3], mut visit: impl FnMut(usize, T)) {
    let [depth, height, width] = window;
    let taps = width.taps(at[2]);
    for z in depth.taps(at[0]) {
        let Some(d) = depth.place(at[0], z) else { continue };
        for y in height.taps(at[1]) {
            let Some(h) = height.place(at[1], y) else { continue };
            let line = (d * height.input + h) * width.input;
            for x in taps.clone() {
                let place = (line + at[2] * width.stride + x * width.dilation).wrapping_sub(width.pad_begin);
                if let Some(&value) = plane.get(place) {
                    visit(place, value);
                }
            }
        }
    }
}

/// The largest element under each window; `least` where there is none.
///
/// # Errors
/// None.
pub(crate) fn max<T: Copy + PartialOrd + Send + Sync>(
    window: &Window,
    input: &[T],
    least: T,
    out: &mut [T],
) -> Result<()> {
    each(window, input, out, |plane, at, _| {
        let mut largest = least;
        visit(window, plane, at, |_, value| largest = if value > largest { value } else { largest });
        largest
    })
}

/// Where in all of `input` the largest element under each window lies (the first of equal ones); with
/// `column_major`, counted along the places' first axis first.
///
/// # Errors
/// None.
pub(crate) fn max_places<T: Copy + PartialOrd + Send + Sync>(
    window: &Window,
    input: &[T],
    column_major: bool,
    out: &mut [i64],
) -> Result<()> {
    let places = window::inputs(window);
    let [depth, height, width] = window;
    each(window, input, out, |plane, at, number| {
        let mut largest: Option<(usize, T)> = None;
        visit(window, plane, at, |place, value| {
            if largest.is_none_or(|(_, largest)| value > largest) {
                largest = Some((place, value));
            }
        });
        let place = largest.map_or(0, |(place, _)| place);
        let place = if column_major {
            let (x, rest) = (place % width.input, place / width.input);
            (x * height.input + rest % height.input) * depth.input + rest / height.input
        } else {
            place
        };
        i64::try_from(number * places + place).unwrap_or(i64::MAX)
    })
}

/// The mean of the elements under each window, over those in the padding too where `padding` says so.
///
/// # Errors
/// None.
pub(crate) fn mean<T: Real>(window: &Window, input: &[T], padding: bool, out: &mut [T]) -> Result<()> {
    each(window, input, out, |plane, at, _| {
        let mut sum = T::zero();
        visit(window, plane, at, |_, value| sum += value);
        let taps = window
            .iter()
            .zip(at)
            .map(|(axis, out)| if padding { axis.padded_taps(out) } else { axis.taps(out).len() });
        let count: usize = taps.product();
        if count == 0 { T::zero() } else { sum / T::count(count) }
    })
}

/// The p-norm of the elements under each window.
///
/// # Errors
/// None.
pub(crate) fn norm<T: Real>(window: &Window, input: &[T], p: i32, out: &mut [T]) -> Result<()> {
    each(window, input, out, |plane, at, _| {
        let mut sum = T::zero();
        visit(window, plane, at, |_, value| sum += value.abs().powi(p));
        if p == 2 { sum.sqrt() } else { sum.powf(T::one() / T::of(f64::from(p))) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::window::Axis;

    const SIDE: Axis =
        Axis { input: 3, output: 2, kernel: 2, stride: 2, dilation: 1, pad_begin: 1, pad_end: 0 };
    const INPUT: [f32; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

    fn window() -> Window {
        [Axis::ONE, SIDE, SIDE]
    }

    #[test]
    fn the_largest_and_its_place() {
        let mut out = [0.0; 4];
        max(&window(), &INPUT, f32::MIN, &mut out).unwrap();
        assert_eq!(out, [1.0, 3.0, 7.0, 9.0]);
        let mut places = [0; 4];
        max_places(&window(), &INPUT, false, &mut places).unwrap();
        assert_eq!(places, [0, 2, 6, 8]);
        max_places(&window(), &INPUT, true, &mut places).unwrap();
        assert_eq!(places, [0, 6, 2, 8]);
    }

    #[test]
    fn means_with_and_without_padding() {
        let mut out = [0.0; 4];
        mean(&window(), &INPUT, false, &mut out).unwrap();
        assert_eq!(out, [1.0, 2.5, 5.5, 7.0]);
        mean(&window(), &INPUT, true, &mut out).unwrap();
        assert_eq!(out, [0.25, 1.25, 2.75, 7.0]);
    }

    #[test]
    fn norms() {
        let mut out = [0.0; 4];
        norm(&window(), &INPUT, 2, &mut out).unwrap();
        assert!((out[1] - 13f32.sqrt()).abs() < 1e-6);
        norm(&window(), &INPUT, 1, &mut out).unwrap();
        assert_eq!(out[3], 28.0);
    }
}
