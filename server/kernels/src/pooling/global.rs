//! The mean of each channel over all places of an image.

use std::ops::Range;

use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    simd::{Kernel, Simd, dispatch},
    split,
};

/// Channels of a task: some vectors of each instruction set.
const STRIPE: usize = 64;

/// The means of `[batch, places, channels]`, `[batch, channels]`; NaN where there are no places. `None` where
/// the length does not fit.
pub fn mean(isa: Isa, batch: usize, places: usize, channels: usize, input: &[f32]) -> Option<Vec<f32>> {
    let len = batch.checked_mul(channels)?;
    if len.checked_mul(places) != Some(input.len()) {
        return None;
    }
    let stripes = channels.div_ceil(STRIPE);
    let work = |stripes_here: Range<usize>, out: Fresh| {
        for stripe in stripes_here {
            let (image, first) = (stripe / stripes, stripe % stripes * STRIPE);
            let input = &input[image * places * channels..(image + 1) * places * channels];
            let stripe = first..channels.min(first + STRIPE);
            dispatch(isa, Stripe { input, places, channels, stripe, to: out.at(image * channels) });
        }
    };
    // SAFETY: the stripes are all channels of all images, and each is written by the one task that has it.
    Some(unsafe {
        filled(len, |out| split::ranges(batch * stripes, places * STRIPE, &|range| work(range, out)))
    })
}

/// Some channels of an image.
struct Stripe<'a> {
    input: &'a [f32],
    places: usize,
    channels: usize,
    stripe: Range<usize>,
    to: *mut f32,
}

impl Kernel for Stripe<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let divisor = s.splat(self.places as f32);
        for channel in self.stripe.clone().step_by(S::LANES) {
            let part = self.stripe.end - channel;
            // Several sums: none waits for another, and each is rounded less often.
            let mut sums = [s.splat(0.0); 4];
            let mut from = self.input.as_ptr().wrapping_add(channel);
            for place in 0..self.places {
                // SAFETY: every place of the input has all channels, of which `part` are left.
                let x = unsafe { s.load_part(from, part) };
                sums[place % 4] = s.add(sums[place % 4], x);
                from = from.wrapping_add(self.channels);
            }
            let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
            // SAFETY: as above, of the output's image.
            unsafe { s.store_part(self.to.wrapping_add(channel), part, s.div(sum, divisor)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::{
        Finish,
        reference::{close, numbers},
    };

    #[test]
    fn every_instruction_set_follows_the_definition() {
        for (batch, places, channels) in [(1, 49, 100), (2, 7, 3), (3, 1, 16), (1, 3000, 65)] {
            let input = numbers(batch * places * channels, 1);
            let of = |i: usize| {
                let (image, channel) = (i / channels, i % channels);
                let all = (0..places).map(|p| f64::from(input[(image * places + p) * channels + channel]));
                all.sum::<f64>() / places as f64
            };
            let expected: Vec<f64> = (0..batch * channels).map(of).collect();
            for isa in Isa::available() {
                close(&mean(isa, batch, places, channels, &input).unwrap(), &expected, Finish::NONE, 1e-6)
                    .unwrap();
            }
        }
        assert!(mean(Isa::current(), 1, 2, 2, &[0.0; 3]).is_none());
    }
}
