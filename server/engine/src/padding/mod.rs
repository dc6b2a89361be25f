//! Whether answers stay the same where one dimension of the inputs (a sequence's length) is made longer with zeros at
//! its end: found out from the graph, before anything is fused, for any length and any longer one.
//!
//! Every value is followed through the graph as what its elements hold ([`content`]): those that a run without
//! padding has too, which must be equal, and those behind them, of which as much is known as masks need: 0 behind a
//! product, a very negative number in front of a softmax. What no rule ([`rules`]) knows is changed, so that an
//! operator that nobody thought of can only refuse.
//!
//! Taken for granted: what is computed from finite numbers is finite, and small beside the numbers that masks put in
//! the place of scores (-10,000 and below).

mod content;
mod rules;
mod scope;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use std::{fmt, sync::Arc};

use crate::graph::{Graph, SymDim, ValueId};

/// A dimension that may be padded, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Padding {
    /// The name that the file gives the dimension.
    pub(crate) dimension: Arc<str>,
    /// Where the inputs have it: at most once each.
    pub(crate) inputs: Vec<Place>,
    /// Where the outputs have it.
    pub(crate) outputs: Vec<Place>,
    /// The inputs that are masks: somewhere along the dimension all of them must hold ones, in every row, or padding
    /// does change the answer.
    pub(crate) masks: Vec<Place>,
    /// The greatest length that the graph's tables (of positions, say) have room for.
    pub(crate) longest: Option<usize>,
}

/// An axis of an input or an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which input or output.
    pub(crate) index: usize,
    /// Which of its axes.
    pub(crate) axis: usize,
}

/// Why a dimension may not be padded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The name that the file gives the dimension.
    pub(crate) dimension: Arc<str>,
    /// The first node that prevents it.
    pub(crate) node: Option<String>,
    /// What about it does.
    pub(crate) cause: &'static str,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{node}: {}", self.cause),
            None => f.write_str(self.cause),
        }
    }
}

/// What came of the analysis.
pub(crate) type Verdict = Result<Padding, Obstacle>;

/// Analyses a graph whose facts are inferred: the first dimension that may be padded, or why the first of all may
/// not. `None` where the inputs have no named dimension but that of rows.
pub(crate) fn analyse(graph: &Graph) -> Option<Verdict> {
    let mut first = None;
    for dimension in candidates(graph) {
        match walk::run(graph, &dimension) {
            Ok(padding) => return Some(Ok(padding)),
            Err(obstacle) => first = first.or(Some(Err(obstacle))),
        }
    }
    first
}

/// The dimensions of inputs that have a name and do not count rows.
fn candidates(graph: &Graph) -> Vec<Arc<str>> {
    let shapes = || graph.inputs.iter().filter_map(|&id| graph.fact(id).shape.as_ref());
    let rows: Vec<&SymDim> = shapes().filter_map(|shape| shape.first()).collect();
    let mut found = Vec::new();
    for name in shapes().flatten().filter(|dim| !rows.contains(dim)).filter_map(SymDim::name) {
        if !found.contains(name) {
            found.push(name.clone());
        }
    }
    found
}

/// The axes of a value that have a dimension.
fn axes_of(graph: &Graph, id: ValueId, dimension: &SymDim) -> Vec<usize> {
    let shape = graph.fact(id).shape.iter().flatten();
    shape.enumerate().filter(|(_, dim)| *dim == dimension).map(|(axis, _)| axis).collect()
}
