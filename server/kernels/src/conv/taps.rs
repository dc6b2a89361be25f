//! Where the taps of outputs lie: pointers to the channels of input places, or to zeros in the padding, so
//! that the loops over them have no edge cases.

use std::borrow::Cow;

use crate::window::{Axis, Window, taps};

/// The channels of a place in the padding.
pub(crate) struct Zeros(Cow<'static, [f32]>);

impl Zeros {
    /// Zeros for this many channels.
    pub(crate) fn new(channels: usize) -> Self {
        const USUAL: usize = 2048;
        static ZEROS: [f32; USUAL] = [0.0; USUAL];
        Self(ZEROS.get(..channels).map_or_else(|| vec![0.0; channels].into(), Cow::Borrowed))
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr()
    }
}

/// An image whose places have their channels side by side.
#[derive(Clone, Copy)]
pub(crate) struct Image<'a> {
    pub(crate) window: &'a Window,
    /// The first place.
    pub(crate) start: *const f32,
    /// Floats from one place to the next.
    pub(crate) step: usize,
    /// As many zeros as are read at a place.
    pub(crate) zeros: *const f32,
}

impl Image<'_> {
    /// Appends a tap's pointers for the outputs `first..first + count` of a row; `row` numbers the rows of
    /// the two outer axes.
    #[inline]
    pub(crate) fn tap(&self, tap: usize, row: usize, first: usize, count: usize, into: &mut Vec<*const f32>) {
        let [outer, middle, inner] = self.window;
        let (z, y) = (row / middle.output, row % middle.output);
        let plane = outer.place(z, tap / (middle.kernel * inner.kernel));
        let line = middle.place(y, tap / inner.kernel % middle.kernel);
        let line = plane.zip(line).map(|(plane, line)| plane * middle.input + line);
        self.line(inner, line, tap % inner.kernel, first, count, into);
    }

    /// The pointers of all taps, those of the first tap first.
    #[inline]
    pub(crate) fn row(&self, row: usize, first: usize, count: usize, into: &mut Vec<*const f32>) {
        for tap in 0..taps(self.window) {
            self.tap(tap, row, first, count, into);
        }
    }

    #[inline]
    fn line(
        &self,
        inner: &Axis,
        line: Option<usize>,
        tap: usize,
        first: usize,
        count: usize,
        into: &mut Vec<*const f32>,
    ) {
        let Some(line) = line else { return into.extend(std::iter::repeat_n(self.zeros, count)) };
        let within = inner.outputs(tap);
        let begin = within.start.clamp(first, first + count);
        let end = within.end.clamp(begin, first + count);
        into.extend(std::iter::repeat_n(self.zeros, begin - first));
        let start = self.start.wrapping_add(line * inner.input * self.step);
        into.extend((begin..end).map(|out| {
            let place = out * inner.stride + tap * inner.dilation - inner.pad_begin;
            start.wrapping_add(place * self.step)
        }));
        into.extend(std::iter::repeat_n(self.zeros, first + count - end));
    }
}
