//! The arithmetic of windows that slide over padded axes: which input place belongs to which output and tap.
//!
//! Convolutions and pools of one to three axes are all run as three; missing leading axes have size 1.

use std::ops::Range;

/// One axis of a window. Invariant: `output` places, `kernel`, `stride` and `dilation` are at least 1 where
/// the output is not empty, and the last tap of the last output does not overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Input places.
    pub input: usize,
    /// Output places.
    pub output: usize,
    /// Taps.
    pub kernel: usize,
    /// Input places from an output to the next.
    pub stride: usize,
    /// Input places from a tap to the next.
    pub dilation: usize,
    /// Places before the input.
    pub pad_begin: usize,
    /// Places after the input.
    pub pad_end: usize,
}

impl Axis {
    /// An axis that is not there.
    pub const ONE: Self =
        Self { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, pad_begin: 0, pad_end: 0 };

    /// The input place under tap `tap` of output `out`, `None` in the padding.
    #[inline]
    pub fn place(&self, out: usize, tap: usize) -> Option<usize> {
        let place = (out * self.stride + tap * self.dilation).checked_sub(self.pad_begin)?;
        (place < self.input).then_some(place)
    }

    /// The taps of output `out` that lie within the input.
    pub fn taps(&self, out: usize) -> Range<usize> {
        let first = out * self.stride;
        let begin = self.pad_begin.saturating_sub(first).div_ceil(self.dilation);
        let end = (self.pad_begin + self.input).saturating_sub(first).div_ceil(self.dilation);
        let end = end.min(self.kernel);
        begin.min(end)..end
    }

    /// How many taps of output `out` lie within the input or its padding.
    pub fn padded_taps(&self, out: usize) -> usize {
        let all = self.pad_begin + self.input + self.pad_end;
        all.saturating_sub(out * self.stride).div_ceil(self.dilation).min(self.kernel)
    }

    /// The outputs for which tap `tap` lies within the input.
    #[inline]
    pub fn outputs(&self, tap: usize) -> Range<usize> {
        let offset = tap * self.dilation;
        let begin = self.pad_begin.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.pad_begin + self.input).saturating_sub(offset).div_ceil(self.stride);
        let end = end.min(self.output);
        begin.min(end)..end
    }

    /// Whether every output is the input place of the same number.
    pub const fn is_trivial(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.pad_begin == 0 && self.pad_end == 0
    }
}

/// The three axes of a window, outermost first.
pub type Window = [Axis; 3];

/// Number of input places.
pub fn inputs(window: &Window) -> usize {
    window.iter().map(|axis| axis.input).product()
}

/// Number of outputs.
pub fn outputs(window: &Window) -> usize {
    window.iter().map(|axis| axis.output).product()
}

/// Number of taps.
pub fn taps(window: &Window) -> usize {
    window.iter().map(|axis| axis.kernel).product()
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn ranges_say_what_places_say() {
        for stride in 1..4 {
            for dilation in 1..4 {
                for pads in [(0, 0), (1, 2), (3, 0)] {
                    let axis = Axis {
                        input: 5,
                        output: 6,
                        kernel: 3,
                        stride,
                        dilation,
                        pad_begin: pads.0,
                        pad_end: pads.1,
                    };
                    check(&axis);
                }
            }
        }
    }

    fn check(axis: &Axis) {
        for out in 0..axis.output {
            for tap in 0..axis.kernel {
                let within = axis.place(out, tap).is_some();
                assert_eq!(axis.taps(out).contains(&tap), within, "{axis:?} {out} {tap}");
                assert_eq!(axis.outputs(tap).contains(&out), within, "{axis:?} {out} {tap}");
                let end = axis.pad_begin + axis.input + axis.pad_end;
                let padded = out * axis.stride + tap * axis.dilation < end;
                assert_eq!(tap < axis.padded_taps(out), padded, "{axis:?} {out} {tap}");
            }
        }
    }
}
