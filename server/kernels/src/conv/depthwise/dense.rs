//! The common filters, 3 or 5 taps wide and high with stride 1 or 2: a block's inputs are loaded once for all
//! the taps that meet them.

use super::{BLOCK, Rows, load};
use crate::simd::Simd;

/// The most inputs along a row that a block meets.
const SPAN: usize = (BLOCK - 1) * 2 + 5;

/// Places whose channels a block reads, row by row; `None` for rows that are all padding.
type Table<const K: usize> = [Option<[*const f32; SPAN]>; K];

impl Rows<'_> {
    /// A row of outputs, where the filter is one of these; else `false`, and nothing is done.
    #[inline(always)]
    pub(super) fn dense<S: Simd>(&self, s: S, row: usize) -> bool {
        let [outer, middle, inner] = &self.sizes.window;
        let plain = outer.is_trivial()
            && (middle.kernel, middle.stride) == (inner.kernel, inner.stride)
            && middle.dilation == 1
            && inner.dilation == 1;
        match (inner.kernel, inner.stride) {
            _ if !plain => return false,
            (3, 1) => self.line::<S, 3, 1>(s, row),
            (3, 2) => self.line::<S, 3, 2>(s, row),
            (5, 1) => self.line::<S, 5, 1>(s, row),
            (5, 2) => self.line::<S, 5, 2>(s, row),
            _ => return false,
        }
        true
    }

    #[inline(always)]
    fn line<S: Simd, const K: usize, const STRIDE: usize>(&self, s: S, row: usize) {
        let width = self.sizes.window[2].output;
        let mut x = 0;
        while x < width {
            x += match width - x {
                BLOCK.. => self.outputs::<S, K, STRIDE, BLOCK>(s, row, x),
                3.. => self.outputs::<S, K, STRIDE, 3>(s, row, x),
                _ => self.outputs::<S, K, STRIDE, 1>(s, row, x),
            };
        }
    }

    /// The inputs of `count` along a row from output `first` on.
    #[inline(always)]
    fn table<const K: usize>(&self, row: usize, first: usize, count: usize) -> Table<K> {
        let [_, middle, inner] = &self.sizes.window;
        let (image, y) = (row / middle.output, row % middle.output);
        let channels = self.conv.channels;
        let mut table = [None; K];
        for (tap, entry) in table.iter_mut().enumerate() {
            let Some(line) = middle.place(y, tap) else { continue };
            let line = (image * middle.input + line) * inner.input;
            let start = self.input.as_ptr().wrapping_add(line * channels);
            let mut places = [self.zeros.as_ptr(); SPAN];
            // Before the first place the difference wraps around to a number that is too large.
            let begin = (first * inner.stride).wrapping_sub(inner.pad_begin);
            if begin < inner.input && inner.input - begin >= count {
                for (j, place) in places[..count].iter_mut().enumerate() {
                    *place = start.wrapping_add((begin + j) * channels);
                }
            } else {
                for (j, place) in places[..count].iter_mut().enumerate() {
                    let column = begin.wrapping_add(j);
                    if column < inner.input {
                        *place = start.wrapping_add(column * channels);
                    }
                }
            }
            *entry = Some(places);
        }
        table
    }

    #[inline(always)]
    fn outputs<S: Simd, const K: usize, const STRIDE: usize, const Q: usize>(
        &self,
        s: S,
        row: usize,
        first: usize,
    ) -> usize {
        let channels = self.conv.channels;
        let table = self.table::<K>(row, first, (Q - 1) * STRIDE + K);
        let to = self.out.at((row * self.sizes.window[2].output + first) * channels);
        let whole = channels - channels % S::LANES;
        let mut channel = 0;
        while channel < whole {
            // SAFETY: the table has places with all channels, of which a vector is left, and `to` leads to
            // `Q` outputs of this task's row.
            unsafe { self.block::<S, K, STRIDE, Q, true>(s, &table, channel, to) }
            channel += S::LANES;
        }
        if channel < channels {
            // SAFETY: as above, but for a part of a vector.
            unsafe { self.block::<S, K, STRIDE, Q, false>(s, &table, channel, to) }
        }
        // SAFETY: the outputs that were just stored.
        unsafe { self.finish(to, Q) }
        Q
    }

    /// # Safety
    /// The table's places have all channels, and where `FULL` a whole vector of them is left from `channel`
    /// on; `Q` outputs may be written at `to`.
    #[inline(always)]
    unsafe fn block<S: Simd, const K: usize, const STRIDE: usize, const Q: usize, const FULL: bool>(
        &self,
        s: S,
        table: &Table<K>,
        channel: usize,
        to: *mut f32,
    ) {
        let channels = self.conv.channels;
        let part = if FULL { S::LANES } else { channels - channel };
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [load::<S, FULL>(s, self.conv.bias.as_ptr().add(channel), part); Q];
            for (y, places) in table.iter().enumerate() {
                let Some(places) = places else { continue };
                for x in 0..K {
                    let weights = self.conv.weights.as_ptr().add((y * K + x) * channels + channel);
                    let weight = load::<S, FULL>(s, weights, part);
                    for q in 0..Q {
                        let place = places[q * STRIDE + x].add(channel);
                        sums[q] = s.fma(load::<S, FULL>(s, place, part), weight, sums[q]);
                    }
                }
            }
            self.early.apply(s, &mut sums);
            for (q, &sum) in sums.iter().enumerate() {
                s.store_part(to.add(q * channels + channel), part, sum);
            }
        }
    }
}
