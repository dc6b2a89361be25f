//! Every place of an image times one number for each channel, as squeeze and excitation does.

use std::ops::Range;

use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    simd::{Kernel, Simd, dispatch},
    split,
};

/// `[batch, places, channels]` times `[batch, channels]`; `None` where a length does not fit.
pub fn scale(isa: Isa, batch: usize, places: usize, input: &[f32], factors: &[f32]) -> Option<Vec<f32>> {
    let channels = factors.len().checked_div(batch).filter(|channels| channels * batch == factors.len())?;
    if factors.len().checked_mul(places) != Some(input.len()) {
        return None;
    }
    let work = |rows: Range<usize>, out: Fresh| {
        dispatch(isa, Rows { input, factors, places, channels, out, rows });
    };
    // SAFETY: the rows are all places of all images, and each is written by the one task that has it.
    Some(unsafe {
        filled(input.len(), |out| split::ranges(batch * places, channels, &|rows| work(rows, out)))
    })
}

/// Some places, counted through all images.
struct Rows<'a> {
    input: &'a [f32],
    factors: &'a [f32],
    places: usize,
    channels: usize,
    out: Fresh,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for row in self.rows.clone() {
            let factors = self.factors[row / self.places * self.channels..].as_ptr();
            let from = self.input[row * self.channels..].as_ptr();
            let to = self.out.at(row * self.channels);
            for channel in (0..self.channels).step_by(S::LANES) {
                let part = self.channels - channel;
                // SAFETY: the row and the image's factors have all channels, of which `part` are left.
                unsafe {
                    let product =
                        s.mul(s.load_part(from.add(channel), part), s.load_part(factors.add(channel), part));
                    s.store_part(to.add(channel), part, product);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::reference::numbers;

    #[test]
    fn every_place_is_scaled() {
        for (batch, places, channels) in [(1, 5, 33), (2, 3, 16), (3, 1, 7)] {
            let (input, factors) = (numbers(batch * places * channels, 1), numbers(batch * channels, 2));
            let of = |i: usize| input[i] * factors[i / (places * channels) * channels + i % channels];
            let expected: Vec<f32> = (0..input.len()).map(of).collect();
            for isa in Isa::available() {
                assert_eq!(scale(isa, batch, places, &input, &factors).unwrap(), expected);
            }
        }
        assert!(scale(Isa::current(), 1, 2, &[0.0; 3], &[1.0]).is_none());
        assert!(scale(Isa::current(), 0, 2, &[], &[]).is_none());
    }
}
