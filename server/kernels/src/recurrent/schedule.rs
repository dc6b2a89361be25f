//! Who runs what: parts of the batch on a thread each, or, where there are fewer than threads, the panels of
//! each step shared among them.

use std::{
    mem::MaybeUninit,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Layer, Outputs, sequence::Sequence};
use crate::{
    buffer::{Shared, filled},
    pool,
    scratch::with_scratch,
};

/// Rows of the input's products that are made at once: they and the weights stay in the second-level cache.
const CHUNK_ROWS: usize = 64;

/// Recurrent weights of a step, in elements, that are worth sharing: what a thread reads of them takes longer
/// than waiting for the other.
const SHARED: usize = 16 << 10;

/// How often a waiting thread looks before it lets others run.
const SPINS: usize = 10_000;

/// Runs every item of every direction of a checked layer that has steps.
pub(super) fn run(layer: &Layer<'_>, to: Outputs) {
    let threads = pool::threads();
    let directions = layer.directions.len();
    let weights = layer.directions[0].weights;
    let large = weights.columns() * weights.hidden() >= SHARED;
    if directions * layer.batch < threads && large && weights.panels() >= threads {
        for number in 0..directions {
            if let Some(sequence) = Sequence::new(layer, number, 0..layer.batch, to) {
                together(&sequence, layer.steps, threads);
            }
        }
        return;
    }
    let parts = threads.div_ceil(directions).clamp(1, layer.batch.max(1));
    let part = layer.batch.div_ceil(parts);
    let parts = layer.batch.div_ceil(part);
    pool::run(directions * parts, &|task| {
        let first = task % parts * part;
        let items = first..layer.batch.min(first + part);
        if let Some(sequence) = Sequence::new(layer, task / parts, items, to) {
            alone(&sequence, layer.steps);
        }
    });
}

/// All steps on the calling thread.
fn alone(sequence: &Sequence<'_>, steps: usize) {
    let chunk = chunk(sequence, steps);
    let (sums_len, cell_len) = (sequence.sums_len(chunk), sequence.cell_len());
    let row = sequence.sums_len(1);
    with_scratch(sums_len + cell_len, |scratch| {
        let (sums, cells) = scratch.split_at_mut(sums_len);
        let cells = Shared(cells.as_mut_ptr());
        // SAFETY: the scratch is this call's own; steps come in order, each after its input's products.
        unsafe {
            sequence.begin(cells.at(0));
            for first in (0..steps).step_by(chunk) {
                let end = steps.min(first + chunk);
                let times = times(sequence, first..end);
                sequence.multiply(times.clone(), uninit(&mut sums[..sequence.sums_len(end - first)]));
                for step in first..end {
                    let at = (sequence.time(step) - times.start) * row;
                    let panels = 0..sequence.weights().panels();
                    sequence.step(step, panels, sums.as_ptr().add(at), cells);
                }
            }
            sequence.end(cells.at(0));
        }
    });
}

/// Steps whose products are made at once.
fn chunk(sequence: &Sequence<'_>, steps: usize) -> usize {
    let row = sequence.sums_len(1).max(1);
    (CHUNK_ROWS * sequence.weights().columns() / row).clamp(1, steps)
}

/// The times of some steps.
fn times(sequence: &Sequence<'_>, steps: Range<usize>) -> Range<usize> {
    let (a, b) = (sequence.time(steps.start), sequence.time(steps.end - 1));
    a.min(b)..a.max(b) + 1
}

const fn uninit(slice: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: whoever writes through it writes numbers, so that the slice stays initialised; both types
    // have the same layout.
    unsafe { std::slice::from_raw_parts_mut(slice.as_mut_ptr().cast(), slice.len()) }
}

/// All steps, the panels of each shared by the pool's threads.
fn together(sequence: &Sequence<'_>, steps: usize, threads: usize) {
    let len = sequence.sums_len(steps);
    // SAFETY: `multiply` writes all products of all times.
    let sums = unsafe { filled(len, |sums| sequence.multiply(0..steps, sums)) };
    let mut cells = vec![0.0; sequence.cell_len()];
    let cells = Shared(cells.as_mut_ptr());
    // SAFETY: the vector has that many elements.
    unsafe { sequence.begin(cells.at(0)) };
    let share = Share::new(sequence.weights().panels(), steps, threads);
    let row = sequence.sums_len(1);
    pool::run(threads, &|_| {
        while let Some((step, panels)) = share.claim() {
            // SAFETY: a claim is handed out once, after all steps before its own are done.
            unsafe {
                sequence.step(step, panels, sums.as_ptr().add(sequence.time(step) * row), cells);
            }
            share.done();
        }
    });
    // SAFETY: every part of every step was claimed, and `run` waited for all.
    unsafe { sequence.end(cells.at(0)) };
}

/// The parts of all steps, in order. A thread takes the next part and waits until the steps before it are
/// done. It waits only for parts that others took earlier, so that it needs no others to be there.
struct Share {
    panels: usize,
    /// Parts of a step.
    parts: usize,
    steps: usize,
    next: AtomicUsize,
    finished: AtomicUsize,
}

impl Share {
    const fn new(panels: usize, steps: usize, parts: usize) -> Self {
        Self { panels, parts, steps, next: AtomicUsize::new(0), finished: AtomicUsize::new(0) }
    }

    fn claim(&self) -> Option<(usize, Range<usize>)> {
        let claim = self.next.fetch_add(1, Ordering::Relaxed);
        let (step, part) = (claim / self.parts, claim % self.parts);
        if step >= self.steps {
            return None;
        }
        let mut spins = 0;
        while self.finished.load(Ordering::Acquire) < step * self.parts {
            spins += 1;
            if spins % SPINS == 0 {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        Some((step, part * self.panels / self.parts..(part + 1) * self.panels / self.parts))
    }

    fn done(&self) {
        self.finished.fetch_add(1, Ordering::Release);
    }
}
