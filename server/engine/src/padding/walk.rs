//! Follows every value through the graph, node by node.

use std::sync::Arc;

use super::{
    Obstacle, Padding, Place, axes_of,
    content::Content,
    rules,
    scope::{Cause, Made, Needs, Scope},
    state::{Anchored, Axis, Longer, State},
};
use crate::{
    graph::{Fact, Graph, Node, SymDim, ValueId},
    ops::tensor::shape::{Shape, Size},
    passes::rewrite::operator,
    value::ElemType,
};

/// The most inputs that may be masks: each has a bit.
const MOST_MASKS: usize = u64::BITS as usize;

/// Whether `dimension` may be padded.
pub(super) fn run(graph: &Graph, dimension: &Arc<str>) -> Result<Padding, Obstacle> {
    let symbol = SymDim::Symbol(dimension.clone());
    let obstacle = |node, cause| Obstacle { dimension: dimension.clone(), node, cause };
    let (states, inputs) = inputs(graph, &symbol).map_err(|cause| obstacle(None, cause))?;
    let mut walk = Walk { graph, dimension: &symbol, states, needs: Needs::default() };
    graph.nodes.iter().enumerate().for_each(|(index, node)| walk.step(index, node));
    let outputs = walk.outputs().map_err(|(index, cause)| {
        let node = index.and_then(|index| graph.nodes.get(index));
        obstacle(node.map(|node| node.name.clone()), cause)
    })?;
    let is_mask = |place: &&Place| place.index < MOST_MASKS && walk.needs.masks & (1 << place.index) != 0;
    let masks = inputs.iter().filter(is_mask).copied().collect();
    Ok(Padding { dimension: dimension.clone(), masks, inputs, outputs, longest: walk.needs.longest })
}

struct Walk<'g> {
    graph: &'g Graph,
    dimension: &'g SymDim,
    /// Of each value that was made so far, or looked at.
    states: Vec<Option<State>>,
    needs: Needs,
}

/// The states of the inputs, and where they have the dimension.
fn inputs(graph: &Graph, dimension: &SymDim) -> Result<(Vec<Option<State>>, Vec<Place>), Cause> {
    let mut states = vec![None; graph.values.len()];
    let mut places = Vec::new();
    for (index, &id) in graph.inputs.iter().enumerate() {
        let mut longer = Longer::same(Content::Given);
        match axes_of(graph, id, dimension)[..] {
            [] => {}
            [axis] => {
                places.push(Place { index, axis });
                longer.axes.push(padded_input(graph.fact(id), index, axis)?);
            }
            _ => return Err("an input has it twice"),
        }
        states[id.index()] = Some(State::Tensor(longer));
    }
    Ok((states, places))
}

fn padded_input(fact: &Fact, index: usize, axis: usize) -> Result<Axis, Cause> {
    let whole = |value| Content::whole(fact.elem, value).ok_or("an input has no zeros");
    let anchor = match index {
        0..MOST_MASKS => Anchored { content: whole(1)?, masks: 1 << index },
        _ => Anchored::always(Content::Given),
    };
    Ok(Axis { axis, pad: whole(0)?, anchor })
}

impl Walk<'_> {
    fn step(&mut self, index: usize, node: &Node) {
        let changed = |id: &ValueId| match &self.states[id.index()] {
            Some(State::Changed(by, cause)) => Some((*by, *cause)),
            _ => None,
        };
        let changed = node.inputs.iter().flatten().find_map(changed);
        // Constants are looked at only where that may still matter.
        let made = changed.map_or_else(|| self.made(node).map_err(|cause| (index, cause)), Err);
        let made = made.unwrap_or_else(|(by, cause)| vec![State::Changed(by, cause); node.outputs.len()]);
        let mut made = made.into_iter();
        for id in &node.outputs {
            let state = made.next().unwrap_or(State::Changed(index, "what this output holds is at the end"));
            if let Some(id) = id {
                self.states[id.index()] = Some(state);
            }
        }
    }

    fn made(&mut self, node: &Node) -> Made {
        let inputs: Vec<_> = node.inputs.iter().map(|id| id.map(|id| self.state(id))).collect();
        let is = |what: fn(&State) -> bool| inputs.iter().flatten().any(what);
        let lengths = is(|state| matches!(state, State::Length));
        let same = !lengths && !is(|state| matches!(state, State::Tensor(tensor) if !tensor.axes.is_empty()));
        if !same && (operator::<Shape>(node).is_some() || operator::<Size>(node).is_some()) {
            return Ok(self.lengths(node));
        }
        let mut scope =
            Scope { graph: self.graph, node, dimension: self.dimension, inputs, needs: &mut self.needs };
        let unchanged = State::Tensor(Longer::same(Content::Any));
        match rules::apply(&mut scope, lengths) {
            // A rule says nothing of an output that holds what is at the end.
            Some(Ok(made)) if !same || made.len() == node.outputs.len() => Ok(made),
            _ if same => Ok(vec![unchanged; node.outputs.len()]),
            None if lengths && self.are_whole(node) => Ok(self.lengths(node)),
            Some(made) => made,
            None => Err(if lengths { "the length is taken as a number" } else { "it may mix places" }),
        }
    }

    /// Whether all outputs are whole numbers or booleans.
    fn are_whole(&self, node: &Node) -> bool {
        let is_whole = |elem: ElemType| elem.is_int() || elem == ElemType::Bool;
        node.outputs.iter().flatten().all(|&id| self.graph.fact(id).elem.is_some_and(is_whole))
    }

    /// The states of outputs that are made of sizes.
    fn lengths(&self, node: &Node) -> Vec<State> {
        let depends = |dim: &SymDim| *dim == SymDim::Unknown || dim == self.dimension;
        let state = |id: &Option<ValueId>| {
            let fact = id.map(|id| self.graph.fact(id));
            let dims = fact.and_then(|fact| fact.dims.as_ref());
            match dims {
                Some(dims) if !dims.iter().any(depends) => State::Tensor(Longer::same(Content::Any)),
                _ => State::Length,
            }
        };
        node.outputs.iter().map(state).collect()
    }

    /// What is known of a value; a constant is looked at when it is first asked for.
    fn state(&mut self, id: ValueId) -> State {
        if let Some(state) = &self.states[id.index()] {
            return state.clone();
        }
        let constant = self.graph.fact(id).constant_tensor();
        let state = State::Tensor(Longer::same(constant.map_or(Content::Any, Content::of)));
        self.states[id.index()] = Some(state.clone());
        state
    }

    /// Where the outputs have the dimension, or the node that changes one.
    fn outputs(&mut self) -> Result<Vec<Place>, (Option<usize>, Cause)> {
        let mut places = Vec::new();
        for (index, &id) in self.graph.outputs.iter().enumerate() {
            match self.state(id) {
                State::Tensor(tensor) => {
                    places.extend(tensor.axes.iter().map(|longer| Place { index, axis: longer.axis }));
                }
                State::Length => return Err((None, "an output is made of the length")),
                State::Changed(by, cause) => return Err((Some(by), cause)),
            }
        }
        Ok(places)
    }
}
