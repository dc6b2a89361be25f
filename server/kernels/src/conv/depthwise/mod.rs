//! Depthwise convolution: every channel has its own filter. Vectors hold channels; a block is several outputs
//! of a row, so that a weight is loaded once for all of them and an input once for all taps that meet it.

mod dense;

use super::{
    Finish, Sizes,
    finish::Early,
    taps::{Image, Zeros},
};
use crate::{
    fresh::{Fresh, filled},
    isa::Isa,
    simd::{Kernel, Simd, dispatch},
    split,
    window::taps,
};

/// Outputs of a block: with a weight and an input they fit AVX2's 16 registers, and half of AVX-512's 32
/// are left for inputs that several taps meet.
const BLOCK: usize = 7;

/// The weights of a depthwise convolution, made ready.
#[derive(Debug)]
pub struct Depthwise {
    channels: usize,
    /// Tap by tap, the channels side by side.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// From weights `[channels, 1, taps]` and, where there is one, a bias for each channel; `None` where a
    /// length does not fit.
    pub fn new(channels: usize, weights: &[f32], bias: Option<&[f32]>) -> Option<Self> {
        let taps = weights.len().checked_div(channels).filter(|taps| taps * channels == weights.len())?;
        let bias = bias.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
        let by_tap =
            (0..taps).flat_map(|tap| (0..channels).map(move |channel| weights[channel * taps + tap]));
        (bias.len() == channels).then(|| Self { channels, weights: by_tap.collect(), bias })
    }

    /// Bytes that the weights take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice())
    }

    /// Convolves an input of `sizes`; `None` where its length or the number of taps does not fit.
    pub fn run(&self, isa: Isa, sizes: &Sizes, input: &[f32], finish: Finish) -> Option<Vec<f32>> {
        let fits = input.len() == sizes.batch * sizes.places() * self.channels
            && self.weights.len() == taps(&sizes.window) * self.channels;
        if !fits {
            return None;
        }
        let zeros = Zeros::new(self.channels);
        let (early, _) = finish.in_registers();
        let len = sizes.batch * sizes.outputs() * self.channels;
        let per_row = sizes.window[2].output * self.weights.len();
        // SAFETY: the rows are all that the output has, and each is written by the one task that has it.
        let made = unsafe {
            filled(len, |out| {
                split::ranges(sizes.rows(), per_row, &|rows| {
                    dispatch(
                        isa,
                        Rows { isa, conv: self, sizes, input, zeros: &zeros, finish, early, out, rows },
                    );
                });
            })
        };
        Some(made)
    }
}

/// Some rows of outputs.
struct Rows<'a> {
    isa: Isa,
    conv: &'a Depthwise,
    sizes: &'a Sizes,
    input: &'a [f32],
    zeros: &'a Zeros,
    finish: Finish,
    /// What is done in registers.
    early: Early,
    out: Fresh,
    rows: std::ops::Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let window = &self.sizes.window;
        let per_image = window[0].output * window[1].output;
        let width = window[2].output;
        let mut pointers = Vec::with_capacity(BLOCK * taps(window));
        for row in self.rows.clone() {
            if self.dense(s, row) {
                continue;
            }
            let first = row / per_image * self.sizes.places() * self.conv.channels;
            let start = self.input[first..].as_ptr();
            let image = Image { window, start, step: self.conv.channels, zeros: self.zeros.as_ptr() };
            let mut x = 0;
            while x < width {
                let to = self.out.at((row * width + x) * self.conv.channels);
                let block = Block { rows: &self, image, row: row % per_image, first: x, to };
                x += match width - x {
                    BLOCK.. => block.run::<S, BLOCK>(s, &mut pointers),
                    _ => block.run::<S, 1>(s, &mut pointers),
                };
            }
        }
    }
}

/// Neighbouring outputs of a row.
struct Block<'a> {
    rows: &'a Rows<'a>,
    image: Image<'a>,
    row: usize,
    first: usize,
    to: *mut f32,
}

impl Rows<'_> {
    /// What happens to `count` outputs that are stored, beyond the bounds.
    ///
    /// # Safety
    /// They are this task's, and stored.
    unsafe fn finish(&self, to: *mut f32, count: usize) {
        if self.finish.in_registers().1 {
            // SAFETY: the caller's; they lie one after the other.
            unsafe { self.finish.rows(self.isa, to, (1, 0), count * self.conv.channels) }
        }
    }
}

impl Block<'_> {
    /// `Q` outputs, all channels; gives `Q`. `pointers` is scratch.
    #[inline(always)]
    fn run<S: Simd, const Q: usize>(&self, s: S, pointers: &mut Vec<*const f32>) -> usize {
        pointers.clear();
        self.image.row(self.row, self.first, Q, pointers);
        let channels = self.rows.conv.channels;
        for channel in (0..channels).step_by(S::LANES) {
            let part = (channels - channel).min(S::LANES);
            // SAFETY: the pointers, `Q` for each tap, lead to places of the image or to zeros, each with all
            // channels, of which `part` are left from `channel` on; `to` to `Q` outputs of this task's row.
            unsafe {
                let mut sums = [s.load_first(self.rows.conv.bias.as_ptr().add(channel), part); Q];
                if part == S::LANES {
                    self.sum::<S, Q, true>(s, pointers, channel, &mut sums);
                } else {
                    self.sum::<S, Q, false>(s, pointers, channel, &mut sums);
                }
                self.rows.early.apply(s, &mut sums);
                for (q, sum) in sums.into_iter().enumerate() {
                    s.store_part(self.to.add(q * channels + channel), part, sum);
                }
            }
        }
        // SAFETY: the outputs that were just stored.
        unsafe { self.rows.finish(self.to, Q) }
        Q
    }

    /// # Safety
    /// `pointers` holds `Q` pointers for each tap to as many floats as there are channels; where `FULL`, a
    /// whole vector of them is left from `channel` on.
    #[inline(always)]
    unsafe fn sum<S: Simd, const Q: usize, const FULL: bool>(
        &self,
        s: S,
        pointers: &[*const f32],
        channel: usize,
        sums: &mut [S::V; Q],
    ) {
        let channels = self.rows.conv.channels;
        let part = if FULL { S::LANES } else { channels - channel };
        let weights = self.rows.conv.weights.as_ptr().wrapping_add(channel);
        let mut made = *sums;
        for (tap, pointers) in pointers.chunks_exact(Q).enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let weight = load::<S, FULL>(s, weights.add(tap * channels), part);
                for q in 0..Q {
                    let x = load::<S, FULL>(s, pointers[q].add(channel), part);
                    made[q] = s.fma(x, weight, made[q]);
                }
            }
        }
        *sums = made;
    }
}

/// A whole vector, or the first `part` lanes of one.
///
/// # Safety
/// So many floats are readable at `from`.
#[inline(always)]
unsafe fn load<S: Simd, const FULL: bool>(s: S, from: *const f32, part: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if FULL { s.load(from) } else { s.load_first(from, part) } }
}

#[cfg(test)]
mod tests;
