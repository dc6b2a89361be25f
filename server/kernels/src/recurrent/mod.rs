//! Recurrent layers with the cells that most networks use: LSTM (Hochreiter and Schmidhuber 1997) and GRU (Cho
//! et al. 2014, in the form that resets after the product), as ONNX's `LSTM` and `GRU` define them.
//!
//! The gates of 16 units (as many as a register holds) lie side by side in a panel of weights, so that a step
//! of these units stays in registers from the products to the new state. Threads take parts of the batch,
//! which need nothing from each other; where there are too few, they share the panels of each step.

mod cell;
mod pack;
mod schedule;
mod sequence;
#[cfg(test)]
mod tests;

pub use pack::{Packed, Parameters};

use crate::{
    Misfit,
    buffer::{Shared, filled},
};

/// What a unit computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gates i, o, f and c.
    Lstm,
    /// Gates z, r and h; the candidate's recurrent product, with its bias, is what r resets.
    Gru,
}

impl Cell {
    /// Gates of a unit.
    pub const fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// A direction of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Direction<'a> {
    /// Its weights.
    pub weights: &'a Packed,
    /// Whether it begins with the last step.
    pub backwards: bool,
}

/// A layer to run over sequences of one length.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// One or two directions of the same cell and sizes.
    pub directions: &'a [Direction<'a>],
    /// `[steps, batch, input]`, or `[batch, steps, input]` where the batch comes first.
    pub input: &'a [f32],
    /// Steps of each sequence.
    pub steps: usize,
    /// Sequences.
    pub batch: usize,
    /// Whether the batch comes first: in the input, the states (`[batch, directions, hidden]`) and the
    /// outputs (`[batch, steps, directions, hidden]`).
    pub batch_first: bool,
    /// The hidden state before the first step, `[directions, batch, hidden]`; 0 without.
    pub hidden: Option<&'a [f32]>,
    /// The cell's state before the first step, as `hidden`.
    pub cell: Option<&'a [f32]>,
}

/// What a layer gives.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    /// The hidden state of every step, `[steps, directions, batch, hidden]`.
    pub all: Vec<f32>,
    /// That of the last step, `[directions, batch, hidden]`.
    pub hidden: Vec<f32>,
    /// The cell's state after the last step, likewise; of an LSTM only, else empty.
    pub cell: Vec<f32>,
}

/// Elements from one to the next of what an array is indexed by.
#[derive(Clone, Copy, Debug)]
struct Strides {
    step: usize,
    direction: usize,
    item: usize,
}

impl Layer<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// Where lengths do not fit.
    pub fn run(&self) -> Result<States, Misfit> {
        let first = self.directions.first().ok_or(Misfit("the directions"))?.weights;
        let state = self.check(first)?;
        let all = state.checked_mul(self.steps).ok_or(Misfit("the outputs"))?;
        let cells = if first.cell() == Cell::Lstm { state } else { 0 };
        if self.steps == 0 || state == 0 {
            let zeros = |len: usize, given: Option<&[f32]>| given.map_or(vec![0.0; len], <[f32]>::to_vec);
            let cell = if cells == 0 { Vec::new() } else { zeros(cells, self.cell) };
            return Ok(States { all: Vec::new(), hidden: zeros(state, self.hidden), cell });
        }
        let (mut hidden, mut cell) = (Vec::new(), Vec::new());
        // SAFETY: the schedule runs every step of every item of every direction, each of which writes its
        // outputs; the last one writes the states.
        let all = unsafe {
            filled(all, |all| {
                hidden = filled(state, |hidden| {
                    cell = filled(cells, |cell| {
                        let to = Outputs {
                            all: Shared(all.as_mut_ptr().cast()),
                            hidden: Shared(hidden.as_mut_ptr().cast()),
                            cell: Shared(cell.as_mut_ptr().cast()),
                        };
                        schedule::run(self, to);
                    });
                });
            })
        };
        Ok(States { all, hidden, cell })
    }

    /// Elements of a state, where everything has its length.
    fn check(&self, first: &Packed) -> Result<usize, Misfit> {
        let alike = |other: &Direction<'_>| other.weights.alike(first);
        if !self.directions.iter().all(alike) {
            return Err(Misfit("the second direction's weights"));
        }
        let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        let state = product(&[self.directions.len(), self.batch, first.hidden()]);
        let state = state.ok_or(Misfit("the states"))?;
        if product(&[self.steps, self.batch, first.input()]) != Some(self.input.len()) {
            return Err(Misfit("the input"));
        }
        let fits = |given: Option<&[f32]>| given.is_none_or(|given| given.len() == state);
        if fits(self.hidden) && fits(self.cell) { Ok(state) } else { Err(Misfit("the initial states")) }
    }

    fn hidden_size(&self) -> usize {
        self.directions.first().map_or(0, |direction| direction.weights.hidden())
    }

    /// How the outputs lie.
    fn all(&self) -> Strides {
        let (hidden, directions) = (self.hidden_size(), self.directions.len());
        if self.batch_first {
            let step = directions * hidden;
            Strides { step, direction: hidden, item: self.steps * step }
        } else {
            let direction = self.batch * hidden;
            Strides { step: directions * direction, direction, item: hidden }
        }
    }

    /// How states lie.
    fn states(&self) -> Strides {
        let (hidden, directions) = (self.hidden_size(), self.directions.len());
        if self.batch_first {
            Strides { step: 0, direction: hidden, item: directions * hidden }
        } else {
            Strides { step: 0, direction: self.batch * hidden, item: hidden }
        }
    }
}

/// Where outputs go.
#[derive(Clone, Copy)]
struct Outputs {
    all: Shared<f32>,
    hidden: Shared<f32>,
    cell: Shared<f32>,
}
