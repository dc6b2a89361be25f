//! A step of some units of some items: recurrent products, gates and the new state, in registers.

use std::ops::Range;

use super::{Cell, Packed};
use crate::{
    gemm::tile::{Tile, accumulate},
    math,
    simd::{Kernel, Simd},
};

/// The items of a step: where each one's numbers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Items {
    /// Items.
    pub(super) count: usize,
    /// The input's products, `[columns]` each.
    pub(super) sums: Row<*const f32>,
    /// The hidden state before the step.
    pub(super) before: Row<*const f32>,
    /// The hidden state after it.
    pub(super) after: Row<*mut f32>,
    /// The cell's state, padded to whole registers.
    pub(super) cell: Row<*mut f32>,
}

/// Where the first item's numbers begin, and elements from one item to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<P> {
    pub(super) start: P,
    pub(super) stride: usize,
}

impl Row<*const f32> {
    #[inline(always)]
    const fn at(self, item: usize, offset: usize) -> *const f32 {
        self.start.wrapping_add(item * self.stride + offset)
    }
}

impl Row<*mut f32> {
    #[inline(always)]
    const fn at(self, item: usize, offset: usize) -> *mut f32 {
        self.start.wrapping_add(item * self.stride + offset)
    }
}

/// A step of some panels of units.
pub(super) struct Step<'a> {
    pub(super) weights: &'a Packed,
    pub(super) items: Items,
    pub(super) panels: Range<usize>,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for panel in self.panels.clone() {
            let mut item = 0;
            while item < self.items.count {
                let left = self.items.count - item;
                // SAFETY: who makes a step promises that its items' numbers are there, and nobody else
                // writes what it writes; the panel and the items exist.
                item += unsafe {
                    match left {
                        6.. if S::LANES == 16 => self.tile::<S, 6>(s, panel, item),
                        4.. if S::LANES == 16 => self.tile::<S, 4>(s, panel, item),
                        2.. => self.tile::<S, 2>(s, panel, item),
                        _ => self.tile::<S, 1>(s, panel, item),
                    }
                };
            }
        }
    }
}

impl Step<'_> {
    /// `MR` items from `item` on; gives `MR`.
    ///
    /// # Safety
    /// The panel and the items exist.
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize>(&self, s: S, panel: usize, item: usize) -> usize {
        // SAFETY: the caller's.
        unsafe {
            match self.weights.cell() {
                Cell::Lstm => self.lstm::<S, MR>(s, panel, item),
                Cell::Gru => self.gru::<S, MR>(s, panel, item),
            }
        }
        MR
    }

    /// The input's products of the first `GATES` gates, plus the recurrent ones of all.
    ///
    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn sums<S: Simd, const GATES: usize, const MR: usize>(
        &self,
        s: S,
        panel: usize,
        item: usize,
        mut sums: Tile<S, GATES, MR>,
    ) -> Tile<S, GATES, MR> {
        let mut before = [self.items.before.start; MR];
        for (i, before) in before.iter_mut().enumerate() {
            *before = self.items.before.at(item + i, 0);
        }
        let weights = self.weights.panel(panel);
        // SAFETY: the state has `hidden` elements, the panel as many rows.
        unsafe { accumulate(s, &mut sums, before, weights, self.weights.hidden(), weights) };
        sums
    }

    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn lstm<S: Simd, const MR: usize>(&self, s: S, panel: usize, item: usize) {
        let (unit, left) = (panel * S::LANES, self.weights.hidden() - panel * S::LANES);
        let mut sums: Tile<S, 4, MR> = [[s.splat(0.0); 4]; MR];
        // SAFETY: the caller's; the hidden state is written as far as there are units.
        unsafe {
            for (i, sums) in sums.iter_mut().enumerate() {
                let from = self.items.sums.at(item + i, 4 * unit);
                for (gate, sum) in sums.iter_mut().enumerate() {
                    *sum = s.load(from.add(gate * S::LANES));
                }
            }
            let sums = self.sums(s, panel, item, sums);
            for (i, [input, output, forget, cell]) in sums.into_iter().enumerate() {
                let state = self.items.cell.at(item + i, unit);
                let kept = s.mul(math::sigmoid(s, forget), s.load(state));
                let new = s.fma(math::sigmoid(s, input), math::tanh(s, cell), kept);
                s.store(state, new);
                let hidden = s.mul(math::sigmoid(s, output), math::tanh(s, new));
                s.store_first(self.items.after.at(item + i, unit), left, hidden);
            }
        }
    }

    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn gru<S: Simd, const MR: usize>(&self, s: S, panel: usize, item: usize) {
        let (unit, left) = (panel * S::LANES, self.weights.hidden() - panel * S::LANES);
        // SAFETY: the caller's; states are read and written as far as there are units.
        unsafe {
            let late = s.load(self.weights.late(panel));
            let mut sums: Tile<S, 3, MR> = [[late; 3]; MR];
            for (i, sums) in sums.iter_mut().enumerate() {
                let from = self.items.sums.at(item + i, 3 * unit);
                sums[0] = s.load(from);
                sums[1] = s.load(from.add(S::LANES));
            }
            let sums = self.sums(s, panel, item, sums);
            for (i, [update, reset, candidate]) in sums.into_iter().enumerate() {
                let input = s.load(self.items.sums.at(item + i, 3 * unit + 2 * S::LANES));
                let before = s.load_first(self.items.before.at(item + i, unit), left);
                let candidate = math::tanh(s, s.fma(math::sigmoid(s, reset), candidate, input));
                // (1 - z) n + z h
                let after = s.fma(math::sigmoid(s, update), s.sub(before, candidate), candidate);
                s.store_first(self.items.after.at(item + i, unit), left, after);
            }
        }
    }
}
