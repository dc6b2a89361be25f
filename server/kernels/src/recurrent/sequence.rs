//! Some items of one direction: their input's products, chunk by chunk, and their steps.

use std::{mem::MaybeUninit, ops::Range};

use super::{
    Layer, Outputs, Packed, Strides,
    cell::{Items, Row, Step},
};
use crate::{
    buffer::Shared,
    gemm::{self, Epilogue, Gather, Rows},
    simd::dispatch,
};

/// Some items of one direction of a layer.
pub(super) struct Sequence<'a> {
    layer: &'a Layer<'a>,
    number: usize,
    items: Range<usize>,
    to: Outputs,
    all: Strides,
    states: Strides,
    /// Where the items lie in a step of the input.
    table: Gather,
    /// A state of zeros for where none is given.
    zeros: Vec<f32>,
}

impl<'a> Sequence<'a> {
    /// `items` of direction `number` of a checked layer; `None` where its input is too large to be indexed.
    pub(super) fn new(layer: &'a Layer<'a>, number: usize, items: Range<usize>, to: Outputs) -> Option<Self> {
        let weights = layer.directions.get(number)?.weights;
        let stride = if layer.batch_first { layer.steps * weights.input() } else { weights.input() };
        let offsets = items.clone().map(|item| u32::try_from(item * stride).ok());
        let offsets = offsets.collect::<Option<Vec<u32>>>()?;
        let table = Gather::new(offsets, 1, items.len(), weights.input()).ok()?;
        let zeros = if layer.hidden.is_none() { vec![0.0; weights.hidden()] } else { Vec::new() };
        Some(Self { layer, number, items, to, all: layer.all(), states: layer.states(), table, zeros })
    }

    pub(super) fn weights(&self) -> &'a Packed {
        self.layer.directions[self.number].weights
    }

    /// Elements of the cell's states.
    pub(super) fn cell_len(&self) -> usize {
        self.items.len() * self.padded()
    }

    /// Elements of the input's products of `steps` steps.
    pub(super) fn sums_len(&self, steps: usize) -> usize {
        steps * self.items.len() * self.weights().columns()
    }

    fn padded(&self) -> usize {
        self.weights().panels() * self.weights().lanes()
    }

    /// The step of the input that comes as number `step`.
    pub(super) fn time(&self, step: usize) -> usize {
        if self.layer.directions[self.number].backwards { self.layer.steps - 1 - step } else { step }
    }

    /// The input's products of `times` into `sums`.
    pub(super) fn multiply(&self, times: Range<usize>, sums: &mut [MaybeUninit<f32>]) {
        let weights = self.weights();
        let step = if self.layer.batch_first { weights.input() } else { self.layer.batch * weights.input() };
        let input = self.layer.input.get(times.start * step..).unwrap_or_default();
        let epilogue = Epilogue { bias: Some(weights.bias()), ..Epilogue::default() };
        let fits = Rows::gathered(input, &self.table, times.len(), step).and_then(|rows| {
            gemm::product_into(&rows, weights.weights(), &epilogue, sums, weights.columns())
        });
        debug_assert!(fits.is_ok(), "a checked layer fits");
    }

    /// Writes the cell's states before the first step to `cells`.
    ///
    /// # Safety
    /// [`Self::cell_len`] elements may be written.
    pub(super) unsafe fn begin(&self, cells: *mut f32) {
        let (hidden, padded) = (self.weights().hidden(), self.padded());
        for (row, item) in self.items.clone().enumerate() {
            // SAFETY: rows follow each other in the caller's memory; a state has `hidden` elements.
            unsafe {
                let to = cells.add(row * padded);
                std::ptr::write_bytes(to, 0, padded);
                if let Some(given) = self.layer.cell {
                    std::ptr::copy_nonoverlapping(given.as_ptr().add(self.state(item)), to, hidden);
                }
            }
        }
    }

    /// Writes the last states, the cell's from `cells`.
    ///
    /// # Safety
    /// All steps are done; `cells` is what they worked on.
    pub(super) unsafe fn end(&self, cells: *const f32) {
        let (hidden, padded) = (self.weights().hidden(), self.padded());
        let last = self.time(self.layer.steps - 1);
        for (row, item) in self.items.clone().enumerate() {
            let state = self.state(item);
            // SAFETY: outputs and states have their checked lengths, and these places belong to this item.
            unsafe {
                let from = self.to.all.at(self.place(last, item)).cast_const();
                std::ptr::copy_nonoverlapping(from, self.to.hidden.at(state), hidden);
                if self.weights().cell() == super::Cell::Lstm {
                    std::ptr::copy_nonoverlapping(cells.add(row * padded), self.to.cell.at(state), hidden);
                }
            }
        }
    }

    /// Runs some panels of step `step`.
    ///
    /// # Safety
    /// The steps before it are done; `sums` are the products of its input, `cells` the cell's states.
    pub(super) unsafe fn step(
        &self,
        step: usize,
        panels: Range<usize>,
        sums: *const f32,
        cells: Shared<f32>,
    ) {
        let after = self.to.all.at(self.place(self.time(step), self.items.start));
        let before = match step.checked_sub(1) {
            Some(step) => {
                let start = self.to.all.at(self.place(self.time(step), self.items.start)).cast_const();
                Row { start, stride: self.all.item }
            }
            None => match self.layer.hidden {
                Some(given) => Row {
                    start: given.as_ptr().wrapping_add(self.state(self.items.start)),
                    stride: self.states.item,
                },
                None => Row { start: self.zeros.as_ptr(), stride: 0 },
            },
        };
        let weights = self.weights();
        let items = Items {
            count: self.items.len(),
            sums: Row { start: sums, stride: weights.columns() },
            before,
            after: Row { start: after, stride: self.all.item },
            cell: Row { start: cells.at(0), stride: self.padded() },
        };
        dispatch(weights.isa(), Step { weights, items, panels });
    }

    /// Where an item's outputs of a time lie.
    const fn place(&self, time: usize, item: usize) -> usize {
        time * self.all.step + self.number * self.all.direction + item * self.all.item
    }

    /// Where an item's state lies.
    const fn state(&self, item: usize) -> usize {
        self.number * self.states.direction + item * self.states.item
    }
}
