//! A graph as rules see it: who makes a value, and who reads it.

use std::any::Any;

use super::Packs;
use crate::{
    graph::{Fact, Graph, Node, SymShape, ValueId},
    ops::{Facts, Op},
    value::{ElemType, Tensor},
};

/// A graph with its values' makers and readers.
pub(crate) struct View<'g> {
    graph: &'g Graph,
    packs: &'g Packs,
    maker: Vec<Option<usize>>,
    readers: Vec<Vec<usize>>,
    is_output: Vec<bool>,
}

impl<'g> View<'g> {
    pub(super) fn new(graph: &'g Graph, packs: &'g Packs) -> Self {
        let count = graph.values.len();
        let mut view = Self {
            graph,
            packs,
            maker: vec![None; count],
            readers: vec![Vec::new(); count],
            is_output: vec![false; count],
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            node.outputs.iter().flatten().for_each(|id| view.maker[id.index()] = Some(index));
            node.inputs.iter().flatten().for_each(|id| view.readers[id.index()].push(index));
        }
        graph.outputs.iter().for_each(|id| view.is_output[id.index()] = true);
        view
    }

    /// What rules have packed before.
    pub(crate) const fn packs(&self) -> &'g Packs {
        self.packs
    }

    /// What is known of a value.
    pub(crate) fn fact(&self, id: ValueId) -> &'g Fact {
        self.graph.fact(id)
    }

    /// What is known of a node's inputs.
    pub(crate) fn facts(&self, node: &Node) -> Facts<'g> {
        Facts::new(node.inputs.iter().map(|id| id.map(|id| self.fact(id))).collect())
    }

    /// The element type, where it is known.
    pub(crate) fn elem(&self, id: ValueId) -> Option<ElemType> {
        self.fact(id).elem
    }

    /// The dimensions, where their number is known.
    pub(crate) fn shape(&self, id: ValueId) -> Option<&'g SymShape> {
        self.fact(id).shape.as_ref()
    }

    /// The tensor that the model fixes for a value.
    pub(crate) fn constant(&self, id: ValueId) -> Option<&'g Tensor> {
        self.fact(id).constant_tensor()
    }

    /// The only element of a constant of one, whatever its rank, as f32.
    pub(crate) fn scalar(&self, id: ValueId) -> Option<f32> {
        let tensor = self.constant(id)?;
        (tensor.elem() == ElemType::F32).then(|| tensor.to_scalar::<f32>().ok()).flatten()
    }

    /// How far a number may be from what it stands for, as a part of it: two roundings to the type that the file has
    /// its floats in.
    pub(crate) const fn rounding(&self) -> f64 {
        match self.graph.half {
            Some(ElemType::F16) => 1.0 / 1024.0,
            Some(_) => 1.0 / 128.0,
            None => 1e-5,
        }
    }

    /// The node that makes a value.
    pub(crate) fn maker(&self, id: ValueId) -> Option<&'g Node> {
        self.graph.nodes.get(self.maker[id.index()]?)
    }

    /// The node that makes a value and its operator, where that is a `T`.
    pub(crate) fn made_by<T: Op>(&self, id: ValueId) -> Option<(&'g Node, &'g T)> {
        let node = self.maker(id)?;
        Some((node, operator::<T>(node)?))
    }

    /// Whether one input of one node reads the value and nobody else, so that a pattern may swallow it.
    pub(crate) fn is_private(&self, id: ValueId) -> bool {
        self.readers[id.index()].len() == 1 && !self.is_output[id.index()]
    }

    /// The inputs of nodes that read the value.
    pub(crate) fn readers(&self, id: ValueId) -> usize {
        self.readers[id.index()].len()
    }

    /// Whether the value is an output of the graph.
    pub(crate) fn is_output(&self, id: ValueId) -> bool {
        self.is_output[id.index()]
    }
}

/// A node's operator, where it is a `T`.
pub(crate) fn operator<T: Op>(node: &Node) -> Option<&T> {
    let op: &dyn Any = node.op.as_ref();
    op.downcast_ref()
}

impl Node {
    /// Input `i`, where it is given.
    pub(crate) fn input(&self, i: usize) -> Option<ValueId> {
        self.inputs.get(i).copied().flatten()
    }

    /// The only output that is named.
    pub(crate) fn only_output(&self) -> Option<ValueId> {
        let mut named = self.outputs.iter().flatten();
        named.next().copied().filter(|_| named.next().is_none())
    }

    /// The other input of a node of two, one of which is `id`.
    pub(crate) fn other_input(&self, id: ValueId) -> Option<ValueId> {
        match self.inputs[..] {
            [Some(a), Some(b)] if a == id => Some(b),
            [Some(a), Some(b)] if b == id => Some(a),
            _ => None,
        }
    }
}
