//! `LSTM`, `GRU` and `RNN`. Since opset 7; 14 adds `layout` (batch first), 22 bf16.
//!
//! Inputs: X, W `[directions, gates x hidden, input]`, R `[directions, gates x hidden, hidden]`, B
//! `[directions, 2 x gates x hidden]`, `sequence_lens`, `initial_h`, and for LSTM `initial_c` and P. Outputs: Y of
//! every step, `Y_h` and (LSTM) `Y_c` of the last. Gates: i, o, f, c of LSTM; z, r, h of GRU.

mod activation;
mod cell;
mod direction;
#[cfg(test)]
mod tests;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::{
        matrix::{Layout, Mat},
        real::Real,
    },
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Tensor, Value, checked_len},
};

use super::real::{self, Elements, elements, opt_elements, real};
use activation::Activation;
use cell::Cell;
use direction::{Direction, State, Weights};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("LSTM", 7, |node| {
        parse(node, Kind::Lstm { input_forget: node.flag("input_forget", false)? })
    }),
    OpDef::onnx("GRU", 7, |node| {
        parse(node, Kind::Gru { linear_before_reset: node.flag("linear_before_reset", false)? })
    }),
    OpDef::onnx("RNN", 7, |node| parse(node, Kind::Plain)),
];

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Lstm { input_forget: bool },
    Gru { linear_before_reset: bool },
    Plain,
}

impl Kind {
    const fn gates(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { .. } => 3,
            Self::Plain => 1,
        }
    }

    const fn activations(self) -> &'static [&'static str] {
        match self {
            Self::Lstm { .. } => &["Sigmoid", "Tanh", "Tanh"],
            Self::Gru { .. } => &["Sigmoid", "Tanh"],
            Self::Plain => &["Tanh"],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Course {
    Forward,
    Reverse,
    Both,
}

/// `LSTM`, `GRU` or `RNN`.
#[derive(Debug)]
pub(crate) struct Recurrent {
    kind: Kind,
    course: Course,
    activations: Vec<Activation>,
    clip: Option<f32>,
    hidden: Option<i64>,
    batch_first: bool,
}

/// A recurrence of usual cells, which may be packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual {
    pub(crate) cell: girandole_kernels::recurrent::Cell,
    pub(crate) directions: usize,
    /// Whether the only direction goes backwards.
    pub(crate) reverse: bool,
    pub(crate) batch_first: bool,
    /// `hidden_size`, where it is given.
    pub(crate) hidden: Option<i64>,
}

/// The sizes of a recurrence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) input: usize,
    pub(super) hidden: usize,
    pub(super) gates: usize,
    pub(super) directions: usize,
}

fn parse(node: &NodeDef<'_>, kind: Kind) -> Result<Box<dyn Op>> {
    let course = match node.string_or("direction", "forward")? {
        "forward" => Course::Forward,
        "reverse" => Course::Reverse,
        "bidirectional" => Course::Both,
        other => return Err(OpError::invalid(format!("direction '{other}' is unknown"))),
    };
    let directions = if course == Course::Both { 2 } else { 1 };
    boxed(Recurrent {
        kind,
        course,
        activations: activation::parse(node, kind.activations(), directions)?,
        clip: node.float("clip")?.filter(|clip| *clip > 0.0),
        hidden: node.int("hidden_size")?,
        batch_first: node.flag("layout", false)?,
    })
}

impl Recurrent {
    /// Whether every step follows from those before it alone.
    pub(crate) fn is_forward(&self) -> bool {
        self.course == Course::Forward
    }

    /// The axis of steps, of the input as of the outputs of every step.
    pub(crate) fn steps_axis(&self) -> usize {
        usize::from(self.batch_first)
    }

    /// What it is, where all that it asks for is usual: the default activations, no clip.
    pub(crate) fn usual(&self) -> Option<Usual> {
        use girandole_kernels::recurrent::Cell;
        let (cell, activations) = match self.kind {
            Kind::Lstm { input_forget: false } => {
                (Cell::Lstm, &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh][..])
            }
            Kind::Gru { linear_before_reset: true } => {
                (Cell::Gru, &[Activation::Sigmoid, Activation::Tanh][..])
            }
            _ => return None,
        };
        let usual = self.clip.is_none() && self.activations == activations.repeat(self.directions());
        usual.then_some(Usual {
            cell,
            directions: self.directions(),
            reverse: self.course == Course::Reverse,
            batch_first: self.batch_first,
            hidden: self.hidden,
        })
    }

    const fn directions(&self) -> usize {
        if matches!(self.course, Course::Both) { 2 } else { 1 }
    }

    fn sizes(&self, inputs: &Inputs) -> Result<Sizes> {
        let (x, w, r) = (inputs.tensor(0)?.shape(), inputs.tensor(1)?.shape(), inputs.tensor(2)?.shape());
        let ([first, second, input], [_, _, hidden]) = (&x[..], &r[..]) else {
            return Err(OpError::invalid(format!("expected X and R of rank 3, got {x} and {r}")));
        };
        let (directions, gates) = (self.directions(), self.kind.gates());
        let wide = hidden.saturating_mul(gates);
        if r[..] != [directions, wide, *hidden] || w[..] != [directions, wide, *input] || *hidden == 0 {
            return Err(OpError::invalid(format!(
                "W {w} and R {r} do not fit an input of {input} with {directions} directions of {gates} gates"
            )));
        }
        if self.hidden.is_some_and(|given| usize::try_from(given) != Ok(*hidden)) {
            return Err(OpError::invalid(format!("hidden_size differs from that of R, {hidden}")));
        }
        let (steps, batch) = if self.batch_first { (*second, *first) } else { (*first, *second) };
        Ok(Sizes { steps, batch, input: *input, hidden: *hidden, gates, directions })
    }

    fn run<T: Real>(&self, inputs: &Inputs) -> Result<Outputs> {
        let sizes = self.sizes(inputs)?;
        let elem = inputs.tensor(0)?.elem();
        let x = elements::<T>(inputs.tensor(0)?)?;
        let lengths = lengths(inputs.opt_tensor(4)?, sizes)?;
        let parameters = Parameters::<T>::new(inputs, sizes)?;
        let mut results = Results::new(sizes, self.batch_first)?;
        for number in 0..sizes.directions {
            let weights = weights(&parameters, sizes, number)?;
            let wide = self.activations.len() / sizes.directions;
            let cell = Cell {
                kind: self.kind,
                activations: &self.activations[number * wide..(number + 1) * wide],
                clip: self.clip.map(|clip| T::of(f64::from(clip))),
                peepholes: part(parameters.peepholes.as_deref(), number, 3 * sizes.hidden),
            };
            let direction = Direction {
                sizes,
                cell,
                weights,
                lengths: &lengths,
                backwards: self.course == Course::Reverse || number == 1,
                batch_first: self.batch_first,
            };
            let mut state = State {
                hidden: results.initial(parameters.hidden.as_deref(), number),
                cell: results.initial(parameters.cell.as_deref(), number),
            };
            direction.run(&x, &mut state, |step, item, hidden| results.emit(number, step, item, hidden))?;
            results.finish(number, &state);
        }
        results.into_outputs(elem, matches!(self.kind, Kind::Lstm { .. }))
    }
}

fn weights<'a, T: Real>(
    parameters: &'a Parameters<'a, T>,
    sizes: Sizes,
    number: usize,
) -> Result<Weights<'a, T>> {
    let wide = sizes.gates * sizes.hidden;
    let short = || OpError::invalid("W is shorter than its shape");
    let input = part(Some(&*parameters.input), number, wide * sizes.input).ok_or_else(short)?;
    let layout = Layout::dense(wide, sizes.hidden).transposed();
    let recurrent = Mat::new(&parameters.recurrent, number * wide * sizes.hidden, layout)?;
    Ok(Weights { input, recurrent, bias: part(parameters.bias.as_deref(), number, 2 * wide) })
}

fn part<T>(all: Option<&[T]>, number: usize, len: usize) -> Option<&[T]> {
    all?.get(number * len..(number + 1) * len)
}

fn lengths(tensor: Option<&Tensor>, sizes: Sizes) -> Result<Vec<usize>> {
    let Some(tensor) = tensor else { return Ok(vec![sizes.steps; sizes.batch]) };
    let all = tensor.to_ints()?;
    let length = |&v: &i64| usize::try_from(v).ok().filter(|&length| length <= sizes.steps);
    all.iter().map(length).collect::<Option<Vec<_>>>().filter(|all| all.len() == sizes.batch).ok_or_else(
        || OpError::invalid(format!("sequence_lens must be {} numbers up to {}", sizes.batch, sizes.steps)),
    )
}

/// What the directions share.
struct Parameters<'a, T> {
    input: Elements<'a, T>,
    recurrent: Elements<'a, T>,
    bias: Option<Elements<'a, T>>,
    hidden: Option<Elements<'a, T>>,
    cell: Option<Elements<'a, T>>,
    peepholes: Option<Elements<'a, T>>,
}

impl<'a, T: Real> Parameters<'a, T> {
    fn new(inputs: &'a Inputs, sizes: Sizes) -> Result<Self> {
        let Sizes { batch, hidden, gates, directions, .. } = sizes;
        let optional = |i: usize, len: usize| {
            let values = opt_elements::<T>(inputs.opt_tensor(i)?)?;
            match &values {
                Some(values) if values.len() != len => {
                    let came = values.len();
                    Err(OpError::invalid(format!("input {i} must have {len} elements, got {came}")))
                }
                _ => Ok(values),
            }
        };
        Ok(Self {
            input: elements(inputs.tensor(1)?)?,
            recurrent: elements(inputs.tensor(2)?)?,
            bias: optional(3, directions * 2 * gates * hidden)?,
            hidden: optional(5, directions * batch * hidden)?,
            cell: optional(6, directions * batch * hidden)?,
            peepholes: optional(7, directions * 3 * hidden)?,
        })
    }
}

/// Y, `Y_h` and `Y_c` as they grow.
struct Results<T> {
    sizes: Sizes,
    batch_first: bool,
    all: Vec<T>,
    hidden: Vec<T>,
    cell: Vec<T>,
}

impl<T: Real> Results<T> {
    fn new(sizes: Sizes, batch_first: bool) -> Result<Self> {
        let state = checked_len::<T>(&[sizes.directions, sizes.batch, sizes.hidden])?;
        let all = checked_len::<T>(&[sizes.steps, state])?;
        let zeros = |len| vec![T::zero(); len];
        Ok(Self { sizes, batch_first, all: zeros(all), hidden: zeros(state), cell: zeros(state) })
    }

    /// Where an item's state lies.
    const fn place(&self, number: usize, item: usize) -> usize {
        let Sizes { batch, hidden, directions, .. } = self.sizes;
        (if self.batch_first { item * directions + number } else { number * batch + item }) * hidden
    }

    fn initial(&self, given: Option<&[T]>, number: usize) -> Vec<T> {
        let Sizes { batch, hidden, .. } = self.sizes;
        let mut state = vec![T::zero(); batch * hidden];
        if let Some(given) = given {
            for (item, state) in state.chunks_exact_mut(hidden).enumerate() {
                let place = self.place(number, item);
                state.copy_from_slice(&given[place..place + hidden]);
            }
        }
        state
    }

    fn emit(&mut self, number: usize, step: usize, item: usize, hidden: &[T]) {
        let Sizes { steps, batch, directions, .. } = self.sizes;
        let row = if self.batch_first {
            (item * steps + step) * directions + number
        } else {
            (step * directions + number) * batch + item
        };
        self.all[row * hidden.len()..(row + 1) * hidden.len()].copy_from_slice(hidden);
    }

    fn finish(&mut self, number: usize, state: &State<T>) {
        let hidden = self.sizes.hidden;
        for item in 0..self.sizes.batch {
            let (place, own) = (self.place(number, item), item * hidden..(item + 1) * hidden);
            self.hidden[place..place + hidden].copy_from_slice(&state.hidden[own.clone()]);
            self.cell[place..place + hidden].copy_from_slice(&state.cell[own]);
        }
    }

    fn into_outputs(self, elem: ElemType, with_cell: bool) -> Result<Outputs> {
        let Sizes { steps, batch, hidden, directions, .. } = self.sizes;
        let (all, state) = if self.batch_first {
            (vec![batch, steps, directions, hidden], vec![batch, directions, hidden])
        } else {
            (vec![steps, directions, batch, hidden], vec![directions, batch, hidden])
        };
        let mut outputs = Outputs::new();
        outputs.push(Value::Tensor(real::tensor(elem, &all, self.all)?));
        outputs.push(Value::Tensor(real::tensor(elem, &state, self.hidden)?));
        if with_cell {
            outputs.push(Value::Tensor(real::tensor(elem, &state, self.cell)?));
        }
        Ok(outputs)
    }
}

impl Op for Recurrent {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let directions = SymDim::Known(self.directions());
        let hidden = inputs.shape(2).and_then(|shape| shape.get(2)).cloned().unwrap_or(SymDim::Unknown);
        let (first, second) = match inputs.shape(0).map(Vec::as_slice) {
            Some([first, second, _]) => (first.clone(), second.clone()),
            _ => (SymDim::Unknown, SymDim::Unknown),
        };
        let (all, state) = if self.batch_first {
            (vec![first.clone(), second, directions.clone(), hidden.clone()], vec![first, directions, hidden])
        } else {
            let state = vec![directions.clone(), second.clone(), hidden.clone()];
            (vec![first, directions, second, hidden], state)
        };
        let mut facts = vec![Fact::tensor(inputs.elem(0), Some(state)); outputs];
        if let Some(first) = facts.first_mut() {
            *first = Fact::tensor(inputs.elem(0), Some(all));
        }
        Ok(facts)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        real!(inputs.tensor(0)?.elem(), T => self.run::<T>(&inputs))
    }
}
