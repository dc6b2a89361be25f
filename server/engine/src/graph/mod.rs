//! A model as the engine sees it: values by dense id, nodes with typed operators, no names to look up.
//!
//! Invariants: every id is within `values`; a value is made by at most one node, or is an input, or is
//! constant; nodes stand in an order in which every value is made before it is used.

mod fact;

pub use fact::{Fact, SymDim, SymShape};

use crate::{
    ops::Op,
    padding::Verdict,
    value::{ElemType, Tensor},
};

/// A value's place in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

impl ValueId {
    /// As an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value: its name in the file, for messages, and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct ValueInfo {
    /// The name in the file.
    pub name: String,
    /// What is known of it; its `constant` is the value itself.
    pub fact: Fact,
}

/// One application of an operator.
#[derive(Debug)]
pub struct Node {
    /// The node's name for messages: the file's, or the operator and its number.
    pub name: String,
    /// The operator's name in the file.
    pub op_type: &'static str,
    /// The operator with its attributes.
    pub op: Box<dyn Op>,
    /// What it takes; an optional input left out is `None`. A subgraph's captured values come last.
    pub inputs: Vec<Option<ValueId>>,
    /// What it makes; an output that nobody named is `None`.
    pub outputs: Vec<Option<ValueId>>,
}

/// A graph of nodes over values.
#[derive(Debug, Default)]
pub struct Graph {
    /// Every value.
    pub values: Vec<ValueInfo>,
    /// Every node, in execution order.
    pub nodes: Vec<Node>,
    /// The values given from outside, in order.
    pub inputs: Vec<ValueId>,
    /// The values handed out, in order.
    pub outputs: Vec<ValueId>,
    /// The type of most floats in the file where that is f16 or bf16: its values are f32 all the same.
    pub half: Option<ElemType>,
    /// Whether sequences may be padded, where that was asked.
    pub(crate) padding: Option<Verdict>,
}

impl Graph {
    /// Adds a value.
    pub fn add_value(&mut self, info: ValueInfo) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.values.push(info);
        id
    }

    /// Bytes that the constants take, where two share them twice.
    pub fn constant_bytes(&self) -> usize {
        self.values.iter().filter_map(|info| info.fact.constant_tensor()).map(Tensor::bytes).sum()
    }

    /// What is known of a value.
    pub fn fact(&self, id: ValueId) -> &Fact {
        &self.values[id.index()].fact
    }
}
