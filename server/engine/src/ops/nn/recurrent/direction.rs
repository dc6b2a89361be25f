//! One direction of a recurrence: the input's products for all steps at once, then step by step.

use super::{Kind, Sizes, cell::Cell};
use crate::{
    error::Result,
    kernels::{
        gemm::{Into, product},
        matrix::{Layout, Mat, MatMut},
        real::Real,
    },
    value::checked_len,
};

/// The weights of one direction.
pub(super) struct Weights<'a, T> {
    /// `[gates x hidden, input]`.
    pub(super) input: &'a [T],
    /// `[hidden, gates x hidden]`, as it lies.
    pub(super) recurrent: Mat<'a, T>,
    /// The input's and the recurrence's, `[2, gates x hidden]`.
    pub(super) bias: Option<&'a [T]>,
}

/// One direction.
pub(super) struct Direction<'a, T> {
    pub(super) sizes: Sizes,
    pub(super) cell: Cell<'a, T>,
    pub(super) weights: Weights<'a, T>,
    /// Steps of each item of the batch.
    pub(super) lengths: &'a [usize],
    pub(super) backwards: bool,
    pub(super) batch_first: bool,
}

/// What goes from step to step: `[batch, hidden]` each.
pub(super) struct State<T> {
    pub(super) hidden: Vec<T>,
    pub(super) cell: Vec<T>,
}

/// Buffers of all steps.
struct Scratch<T> {
    /// Sums of the gates, `[batch, gates x hidden]`.
    gates: Vec<T>,
    /// A GRU's recurrent sums: of update and reset, `[batch, 2 x hidden]`, and of the candidate.
    pair: Vec<T>,
    candidate: Vec<T>,
}

impl<T: Real> Direction<'_, T> {
    /// Runs all steps; `emit` gets step, item and hidden state.
    ///
    /// # Errors
    /// Where sizes do not fit.
    pub(super) fn run(
        &self,
        input: &[T],
        state: &mut State<T>,
        mut emit: impl FnMut(usize, usize, &[T]),
    ) -> Result<()> {
        let Sizes { steps, batch, hidden, .. } = self.sizes;
        let wide = self.sizes.gates * hidden;
        let sums = self.input_sums(input)?;
        let mut scratch = Scratch {
            gates: vec![T::zero(); checked_len::<T>(&[batch, wide])?],
            pair: vec![T::zero(); batch * 2 * hidden],
            candidate: vec![T::zero(); batch * hidden],
        };
        for step in 0..steps {
            for (item, gates) in scratch.gates.chunks_exact_mut(wide).enumerate() {
                let Some(time) = self.time(step, item) else { continue };
                let row = if self.batch_first { item * steps + time } else { time * batch + item };
                gates.copy_from_slice(&sums[row * wide..(row + 1) * wide]);
            }
            self.step(step, state, &mut scratch)?;
            for (item, hidden) in state.hidden.chunks_exact(hidden).enumerate() {
                if let Some(time) = self.time(step, item) {
                    emit(time, item, hidden);
                }
            }
        }
        Ok(())
    }

    /// Which step of the input an item is at, `None` past its end.
    fn time(&self, step: usize, item: usize) -> Option<usize> {
        let length = self.lengths.get(item).copied().unwrap_or(self.sizes.steps);
        if step >= length {
            return None;
        }
        Some(if self.backwards { length - 1 - step } else { step })
    }

    /// Input times weights, plus what biases can be added beforehand, for every step and item.
    fn input_sums(&self, input: &[T]) -> Result<Vec<T>> {
        let Sizes { steps, batch, input: depth, hidden, gates, .. } = self.sizes;
        let (rows, wide) = (steps * batch, gates * hidden);
        let mut sums = vec![T::zero(); checked_len::<T>(&[rows, wide])?];
        let left = Mat::new(input, 0, Layout::dense(rows, depth))?;
        let right = Mat::new(self.weights.input, 0, Layout::dense(wide, depth).transposed())?;
        product(MatMut::new(&mut sums, rows, wide)?, Into::Replace, T::one(), left, right)?;
        let Some((input_bias, recurrent_bias)) = self.weights.bias.map(|bias| bias.split_at(wide)) else {
            return Ok(sums);
        };
        // A GRU that resets after the product adds the candidate's recurrent bias there.
        let early = if self.late_reset() { 2 * hidden } else { wide };
        for row in sums.chunks_exact_mut(wide) {
            row.iter_mut().zip(input_bias).for_each(|(sum, &bias)| *sum += bias);
            row[..early].iter_mut().zip(recurrent_bias).for_each(|(sum, &bias)| *sum += bias);
        }
        Ok(sums)
    }

    const fn late_reset(&self) -> bool {
        matches!(self.cell.kind, Kind::Gru { linear_before_reset: true })
    }

    fn step(&self, step: usize, state: &mut State<T>, scratch: &mut Scratch<T>) -> Result<()> {
        if let Kind::Gru { .. } = self.cell.kind {
            return self.gru(step, state, scratch);
        }
        let Sizes { batch, hidden, gates, .. } = self.sizes;
        let wide = gates * hidden;
        let from = Mat::new(&state.hidden, 0, Layout::dense(batch, hidden))?;
        let into = MatMut::new(&mut scratch.gates, batch, wide)?;
        product(into, Into::Add, T::one(), from, self.weights.recurrent)?;
        let items = state.hidden.chunks_exact_mut(hidden).zip(state.cell.chunks_exact_mut(hidden));
        for (item, ((own, cell), gates)) in items.zip(scratch.gates.chunks_exact_mut(wide)).enumerate() {
            if self.time(step, item).is_none() {
                continue;
            }
            match self.cell.kind {
                Kind::Lstm { .. } => self.cell.lstm(gates, own, cell),
                Kind::Plain | Kind::Gru { .. } => self.cell.plain(gates, own),
            }
        }
        Ok(())
    }

    fn gru(&self, step: usize, state: &mut State<T>, scratch: &mut Scratch<T>) -> Result<()> {
        let Sizes { batch, hidden, .. } = self.sizes;
        let Scratch { gates, pair, candidate } = scratch;
        let from = Mat::new(&state.hidden, 0, Layout::dense(batch, hidden))?;
        let recurrent = self.weights.recurrent;
        product(
            MatMut::new(pair, batch, 2 * hidden)?,
            Into::Replace,
            T::one(),
            from,
            recurrent.columns(0, 2 * hidden)?,
        )?;
        for (pair, gates) in pair.chunks_exact_mut(2 * hidden).zip(gates.chunks_exact(3 * hidden)) {
            pair.iter_mut().zip(gates).for_each(|(sum, &input)| *sum += input);
            self.cell.activate(0, pair);
        }
        let late = self.late_reset();
        let reset: Vec<T> = if late { Vec::new() } else { reset(&state.hidden, pair, hidden) };
        let from = if late { &state.hidden } else { &reset };
        let from = Mat::new(from, 0, Layout::dense(batch, hidden))?;
        let right = recurrent.columns(2 * hidden, hidden)?;
        product(MatMut::new(candidate, batch, hidden)?, Into::Replace, T::one(), from, right)?;
        let bias = self.weights.bias.filter(|_| late).and_then(|bias| bias.get(5 * hidden..));
        for (item, sums) in candidate.chunks_exact_mut(hidden).enumerate() {
            if self.time(step, item).is_none() {
                continue;
            }
            let pair = &pair[item * 2 * hidden..(item + 1) * 2 * hidden];
            let (update, reset) = pair.split_at(hidden);
            if late {
                let bias = bias.unwrap_or_default();
                sums.iter_mut().zip(bias).for_each(|(sum, &bias)| *sum += bias);
                sums.iter_mut().zip(reset).for_each(|(sum, &reset)| *sum *= reset);
            }
            let input = &gates[(item * 3 + 2) * hidden..(item + 1) * 3 * hidden];
            sums.iter_mut().zip(input).for_each(|(sum, &input)| *sum += input);
            self.cell.activate(1, sums);
            Cell::gru(update, sums, &mut state.hidden[item * hidden..(item + 1) * hidden]);
        }
        Ok(())
    }
}

/// The hidden state where the reset gates let it through.
fn reset<T: Real>(hidden: &[T], pair: &[T], size: usize) -> Vec<T> {
    let gates = pair.chunks_exact(2 * size).flat_map(|pair| &pair[size..]);
    hidden.iter().zip(gates).map(|(&hidden, &gate)| hidden * gate).collect()
}
