//! A node as its rule sees it, and what the answer will rely on.

use super::state::{Longer, State};
use crate::{
    graph::{Fact, Graph, Node, SymDim, SymShape},
    ops::Facts,
};

/// Why a node's outputs are changed.
pub(super) type Cause = &'static str;

/// What a rule makes of a node: the state of each output.
pub(super) type Made = Result<Vec<State>, Cause>;

/// See the module.
pub(super) struct Scope<'a> {
    pub(super) graph: &'a Graph,
    pub(super) node: &'a Node,
    /// The dimension that is padded.
    pub(super) dimension: &'a SymDim,
    /// What is known of the inputs; one left out is `None`.
    pub(super) inputs: Vec<Option<State>>,
    pub(super) needs: &'a mut Needs,
}

/// What must hold for the answers to stay the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// The inputs that must be masks, a bit for each.
    pub(super) masks: u64,
    /// The greatest length.
    pub(super) longest: Option<usize>,
}

impl Needs {
    /// No length may be above `longest`.
    pub(super) fn at_most(&mut self, longest: usize) {
        self.longest = Some(self.longest.map_or(longest, |known| known.min(longest)));
    }
}

impl<'a> Scope<'a> {
    /// Input `i` as a tensor.
    pub(super) fn tensor(&self, i: usize) -> Result<&Longer, Cause> {
        match self.inputs.get(i) {
            Some(Some(State::Tensor(tensor))) => Ok(tensor),
            Some(Some(_)) => Err("the length is taken as a number"),
            _ => Err("an input is missing"),
        }
    }

    /// Whether input `i` is made of the length.
    pub(super) fn is_length(&self, i: usize) -> bool {
        matches!(self.inputs.get(i), Some(Some(State::Length)))
    }

    /// Whether none of the inputs from `first` on is changed in any way.
    pub(super) fn same_from(&self, first: usize) -> bool {
        let same = |state: &State| matches!(state, State::Tensor(tensor) if tensor.axes.is_empty());
        self.inputs.iter().skip(first).flatten().all(same)
    }

    /// The first input, whose shape the second one gives, and whether that is made of the length.
    pub(super) fn given_a_shape(&self) -> Result<(&Longer, bool), Cause> {
        let (tensor, by_length) = (self.tensor(0)?, self.is_length(1));
        if by_length || self.same_from(1) { Ok((tensor, by_length)) } else { Err("its shape is padded") }
    }

    /// What is known of input `i` whatever is padded.
    pub(super) fn fact(&self, i: usize) -> Option<&'a Fact> {
        Some(self.graph.fact(self.node.input(i)?))
    }

    /// The dimensions of input `i`.
    pub(super) fn shape(&self, i: usize) -> Result<&'a SymShape, Cause> {
        self.fact(i).and_then(|fact| fact.shape.as_ref()).ok_or("a shape is not known")
    }

    /// The dimensions of output `i`.
    pub(super) fn made(&self, i: usize) -> Result<&'a SymShape, Cause> {
        let id = self.node.outputs.get(i).copied().flatten();
        id.and_then(|id| self.graph.fact(id).shape.as_ref()).ok_or("a shape is not known")
    }

    /// What is known of all inputs whatever is padded.
    pub(super) fn facts(&self) -> Facts<'a> {
        let graph = self.graph;
        Facts::new(self.node.inputs.iter().map(|id| id.map(|id| graph.fact(id))).collect())
    }

    /// The only integer of input `i`, where the model fixes it.
    pub(super) fn integer(&self, i: usize) -> Option<i64> {
        match self.fact(i)?.constant_ints()?[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// A node's only output.
pub(super) fn one(tensor: Longer) -> Made {
    Ok(vec![State::Tensor(tensor)])
}
