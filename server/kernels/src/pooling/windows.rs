//! The largest element or the mean under each window, channel by channel.

use std::ops::Range;

use crate::{
    conv::{Sizes, taps::Image},
    fresh::{Fresh, filled},
    isa::Isa,
    simd::{Kernel, Simd, dispatch},
    split,
    window::taps,
};

/// What a window gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest element; NaN is never larger.
    Max,
    /// The mean.
    Mean {
        /// Whether places in the padding count, as zeros.
        padding: bool,
    },
}

/// Pools an input `[batch, places, channels]` to `[batch, outputs, channels]`; `None` where the length does
/// not fit. A window that touches no place gives minus infinity, or NaN for a mean.
pub fn pool(isa: Isa, kind: Pooling, sizes: &Sizes, channels: usize, input: &[f32]) -> Option<Vec<f32>> {
    if input.len() != sizes.batch * sizes.places() * channels {
        return None;
    }
    let len = sizes.batch * sizes.outputs() * channels;
    let steps = sizes.window[2].output * taps(&sizes.window) * channels;
    let work = |rows: Range<usize>, out: Fresh| {
        dispatch(isa, Rows { kind, sizes, channels, input, out, rows });
    };
    // SAFETY: the rows are all that the output has, and each is written by the one task that has it.
    Some(unsafe { filled(len, |out| split::ranges(sizes.rows(), steps, &|rows| work(rows, out))) })
}

/// Some rows of outputs.
struct Rows<'a> {
    kind: Pooling,
    sizes: &'a Sizes,
    channels: usize,
    input: &'a [f32],
    out: Fresh,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let window = &self.sizes.window;
        let per_image = window[0].output * window[1].output;
        let mut pointers = Vec::with_capacity(taps(window));
        for row in self.rows.clone() {
            let first = row / per_image * self.sizes.places() * self.channels;
            let start = self.input[first..].as_ptr();
            let image = Image { window, start, step: self.channels, zeros: std::ptr::null() };
            for x in 0..window[2].output {
                pointers.clear();
                image.row(row % per_image, x, 1, &mut pointers);
                pointers.retain(|pointer| !pointer.is_null());
                let count = self.count(row % per_image, x, pointers.len());
                let to = self.out.at((row * window[2].output + x) * self.channels);
                // SAFETY: the pointers lead to places of the image, each with all channels, and so does `to`.
                unsafe {
                    match self.kind {
                        Pooling::Max => self.max(s, &pointers, to),
                        Pooling::Mean { .. } => self.mean(s, &pointers, count, to),
                    }
                }
            }
        }
    }
}

impl Rows<'_> {
    /// What a mean is divided by.
    fn count(&self, row: usize, x: usize, within: usize) -> f32 {
        let [outer, middle, inner] = &self.sizes.window;
        let padded = || {
            let outer = outer.padded_taps(row / middle.output) * middle.padded_taps(row % middle.output);
            outer * inner.padded_taps(x)
        };
        let counted = if self.kind == (Pooling::Mean { padding: true }) { padded() } else { within };
        counted as f32
    }

    /// # Safety
    /// All channels are readable at every pointer and writable at `to`.
    #[inline(always)]
    unsafe fn max<S: Simd>(&self, s: S, pointers: &[*const f32], to: *mut f32) {
        for channel in (0..self.channels).step_by(S::LANES) {
            let part = self.channels - channel;
            let mut most = s.splat(f32::NEG_INFINITY);
            for pointer in pointers {
                // SAFETY: the caller's; `part` channels are left.
                most = s.max(unsafe { s.load_part(pointer.add(channel), part) }, most);
            }
            // SAFETY: as above.
            unsafe { s.store_part(to.add(channel), part, most) }
        }
    }

    /// # Safety
    /// As [`Self::max`].
    #[inline(always)]
    unsafe fn mean<S: Simd>(&self, s: S, pointers: &[*const f32], count: f32, to: *mut f32) {
        for channel in (0..self.channels).step_by(S::LANES) {
            let part = self.channels - channel;
            let mut sum = s.splat(0.0);
            for pointer in pointers {
                // SAFETY: the caller's; `part` channels are left.
                sum = s.add(sum, unsafe { s.load_part(pointer.add(channel), part) });
            }
            // SAFETY: as above.
            unsafe { s.store_part(to.add(channel), part, s.div(sum, s.splat(count))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conv::{
        Finish,
        reference::{any_sizes, close, numbers, places},
    };

    fn expected(kind: Pooling, sizes: &Sizes, channels: usize, input: &[f32]) -> Vec<f64> {
        let mut made = Vec::new();
        for image in 0..sizes.batch {
            for out in 0..sizes.outputs() {
                let places: Vec<usize> = places(sizes, out).into_iter().map(|(_, place)| place).collect();
                for channel in 0..channels {
                    let at = |place: &usize| {
                        f64::from(input[(image * sizes.places() + place) * channels + channel])
                    };
                    made.push(match kind {
                        Pooling::Max => places.iter().map(at).fold(f64::NEG_INFINITY, f64::max),
                        Pooling::Mean { .. } => places.iter().map(at).sum::<f64>() / places.len() as f64,
                    });
                }
            }
        }
        made
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::effort::cases(100)))]
        #[test]
        fn every_instruction_set_follows_the_definition(sizes in any_sizes(), channels in 1usize..40) {
            let input = numbers(sizes.batch * sizes.places() * channels, 1);
            for kind in [Pooling::Max, Pooling::Mean { padding: false }] {
                let expected = expected(kind, &sizes, channels, &input);
                // Windows that lie in the padding alone have no mean and no largest element.
                prop_assume!(expected.iter().all(|x| x.is_finite()));
                for isa in Isa::available() {
                    close(&pool(isa, kind, &sizes, channels, &input).unwrap(), &expected, Finish::NONE, 2e-6)?;
                }
            }
        }
    }

    #[test]
    fn padding_counts_where_asked_for() {
        let axis = crate::conv::reference::axis(2, 2, 1, 1, (1, 1));
        let sizes = Sizes { batch: 1, window: [crate::window::Axis::ONE, crate::window::Axis::ONE, axis] };
        let mean = |padding| pool(Isa::current(), Pooling::Mean { padding }, &sizes, 1, &[2.0, 4.0]).unwrap();
        assert_eq!(mean(false), [2.0, 3.0, 4.0]);
        assert_eq!(mean(true), [1.0, 3.0, 2.0]);
        assert!(pool(Isa::current(), Pooling::Max, &sizes, 1, &[2.0]).is_none());
    }
}
