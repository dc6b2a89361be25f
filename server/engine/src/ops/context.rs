//! What an operator gets when it infers and when it runs.

use std::time::{Duration, Instant};

use girandole_core::{Error, ErrorCode};
use smallvec::{SmallVec, smallvec};

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymShape},
    value::{ElemType, Tensor, Value},
};

/// What is known of a node's inputs.
#[derive(Debug)]
pub struct Facts<'a>(Vec<Option<&'a Fact>>);

impl<'a> Facts<'a> {
    /// The facts of a node's inputs; one left out is `None`.
    pub const fn new(facts: Vec<Option<&'a Fact>>) -> Self {
        Self(facts)
    }

    /// Input `i`, where it is given.
    pub fn get(&self, i: usize) -> Option<&'a Fact> {
        self.0.get(i).copied().flatten()
    }

    /// Number of inputs, those left out included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The element type of input `i`, where it is known.
    pub fn elem(&self, i: usize) -> Option<ElemType> {
        self.get(i)?.elem
    }

    /// The dimensions of input `i`, where they are known.
    pub fn shape(&self, i: usize) -> Option<&'a SymShape> {
        self.get(i)?.shape.as_ref()
    }

    /// Every input, those left out as `None`.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a Fact>> + '_ {
        self.0.iter().copied()
    }
}

/// The values of a node's inputs. A value whose last use this is comes as its only owner.
#[derive(Debug)]
pub struct Inputs(Vec<Option<Value>>);

impl Inputs {
    /// The values of a node's inputs; one left out is `None`.
    pub const fn new(values: Vec<Option<Value>>) -> Self {
        Self(values)
    }

    /// Number of inputs, those left out included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Input `i`, where it is given.
    pub fn get(&self, i: usize) -> Option<&Value> {
        self.0.get(i)?.as_ref()
    }

    /// Input `i`.
    ///
    /// # Errors
    /// `Invalid` where it is left out.
    pub fn value(&self, i: usize) -> Result<&Value> {
        self.get(i).ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
    }

    /// Input `i` as a tensor.
    ///
    /// # Errors
    /// `Invalid` where it is left out or no tensor.
    pub fn tensor(&self, i: usize) -> Result<&Tensor> {
        self.value(i)?.tensor()
    }

    /// Input `i` as a tensor, where it is given.
    ///
    /// # Errors
    /// `Invalid` where it is no tensor.
    pub fn opt_tensor(&self, i: usize) -> Result<Option<&Tensor>> {
        self.get(i).map(Value::tensor).transpose()
    }

    /// Takes input `i` out, to reuse it.
    ///
    /// # Errors
    /// `Invalid` where it is left out.
    pub fn take(&mut self, i: usize) -> Result<Value> {
        let slot = self.0.get_mut(i).and_then(Option::take);
        slot.ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
    }

    /// Every input as a tensor, for operators of any number of inputs.
    ///
    /// # Errors
    /// `Invalid` where one is left out or no tensor.
    pub fn tensors(&self) -> Result<Vec<&Tensor>> {
        (0..self.len()).map(|i| self.tensor(i)).collect()
    }

    /// All values.
    pub fn into_values(self) -> Vec<Option<Value>> {
        self.0
    }
}

/// The values that a node makes, in order; those that the node's outputs do not name may be left out at the end.
pub type Outputs = SmallVec<[Value; 2]>;

/// A single tensor as a node's outputs.
///
/// # Errors
/// None; the form fits [`super::Op::eval`].
pub fn one(tensor: Tensor) -> Result<Outputs> {
    Ok(smallvec![Value::Tensor(tensor)])
}

/// What belongs to one run: limits on what a model may do, so that no model file runs for ever.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// The most iterations of one loop.
    pub max_iterations: u64,
    /// When the run is given up; checked before every step and iteration. `None` is never.
    pub deadline: Option<Instant>,
}

impl RunContext {
    /// A run that is given up after `limit` from now.
    pub fn within(limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..Self::default() }
    }

    /// Whether the run may go on.
    ///
    /// # Errors
    /// `DeadlineExceeded` after the deadline.
    pub fn check(&self) -> Result<()> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(OpError::Placed(Error::new(
                ErrorCode::DeadlineExceeded,
                "the run took longer than this server allows",
            ))),
            _ => Ok(()),
        }
    }

    /// Whether a loop may begin iteration `done`, counted from 0.
    ///
    /// # Errors
    /// `Invalid` beyond [`Self::max_iterations`]; as [`Self::check`].
    pub fn check_iteration(&self, done: u64) -> Result<()> {
        if done >= self.max_iterations {
            return Err(OpError::invalid(format!("a loop ran for {done} iterations, the most allowed")));
        }
        self.check()
    }
}

impl Default for RunContext {
    fn default() -> Self {
        Self { max_iterations: 10_000_000, deadline: None }
    }
}
