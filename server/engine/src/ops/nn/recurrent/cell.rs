//! One step of a cell, item by item of the batch, from the gates' sums.

use super::{Kind, activation::Activation};
use crate::kernels::real::Real;

/// What a cell is, apart from its weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a, T> {
    pub(super) kind: Kind,
    pub(super) activations: &'a [Activation],
    /// Sums are held within it before an activation.
    pub(super) clip: Option<T>,
    /// `[i, o, f]` of an LSTM.
    pub(super) peepholes: Option<&'a [T]>,
}

impl<T: Real> Cell<'_, T> {
    /// Clips and activates.
    pub(super) fn activate(&self, which: usize, values: &mut [T]) {
        if let Some(clip) = self.clip {
            values.iter_mut().for_each(|v| *v = v.max(-clip).min(clip));
        }
        if let Some(activation) = self.activations.get(which) {
            activation.apply(values);
        }
    }

    /// An LSTM's step: `gates` are the sums of i, o, f, c.
    pub(super) fn lstm(&self, gates: &mut [T], hidden: &mut [T], state: &mut [T]) {
        let size = hidden.len();
        let (input, rest) = gates.split_at_mut(size);
        let (output, rest) = rest.split_at_mut(size);
        let (forget, cell) = rest.split_at_mut(size);
        self.peep(0, input, state);
        self.activate(0, input);
        if matches!(self.kind, Kind::Lstm { input_forget: true }) {
            forget.iter_mut().zip(&*input).for_each(|(forget, &input)| *forget = T::one() - input);
        } else {
            self.peep(2, forget, state);
            self.activate(0, forget);
        }
        self.activate(1, cell);
        for (i, state) in state.iter_mut().enumerate() {
            *state = forget[i] * *state + input[i] * cell[i];
        }
        self.peep(1, output, state);
        self.activate(0, output);
        hidden.copy_from_slice(state);
        if let Some(activation) = self.activations.get(2) {
            activation.apply(hidden);
        }
        hidden.iter_mut().zip(&*output).for_each(|(hidden, &output)| *hidden *= output);
    }

    fn peep(&self, which: usize, gate: &mut [T], state: &[T]) {
        let Some(weights) = self.peepholes.and_then(|all| all.chunks_exact(state.len().max(1)).nth(which))
        else {
            return;
        };
        gate.iter_mut().zip(weights).zip(state).for_each(|((gate, &weight), &state)| *gate += weight * state);
    }

    /// A GRU's step: `update` and `candidate` are activated.
    pub(super) fn gru(update: &[T], candidate: &[T], hidden: &mut [T]) {
        for (hidden, (&update, &candidate)) in hidden.iter_mut().zip(update.iter().zip(candidate)) {
            *hidden = (T::one() - update) * candidate + update * *hidden;
        }
    }

    /// A plain cell's step.
    pub(super) fn plain(&self, sums: &mut [T], hidden: &mut [T]) {
        self.activate(0, sums);
        hidden.copy_from_slice(sums);
    }
}
