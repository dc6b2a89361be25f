//! Floats of 16 bits become f32, so that a file of f16 or bf16 gets the same fused operators as one of f32. What
//! they are kept as where it runs is the device's affair: f32 on the processor, f16 or bf16 on a GPU.
//!
//! Invariants: inputs and outputs of the graph keep the types that the file gives them; a node whose answer would be
//! another one, and not only a finer one ([`kind`]), takes and makes what it did; values within f16's range lose no
//! digit that the file's own types would have kept.

mod kind;
mod tables;

use std::collections::{HashMap, HashSet};

pub(crate) use self::kind::half_of;

use self::kind::{Kind, is_half};
use super::rewrite::operator;
use crate::{
    Target,
    error::Result,
    graph::{Fact, Graph, Node, ValueId, ValueInfo},
    ops::math::cast::ops::{Cast, plain},
    value::{ElemType, Tensor, Value},
};

/// Rewrites the graph, where it has such floats.
///
/// # Errors
/// Where a constant cannot be converted.
pub(super) fn run(graph: &mut Graph, target: Target) -> Result<()> {
    if !graph.values.iter().any(|info| info.fact.elem.is_some_and(is_half)) {
        return Ok(());
    }
    graph.half = kind::most(graph);
    let nodes = std::mem::take(&mut graph.nodes);
    let asked = asked(graph, &nodes);
    // A GPU keeps all weights in the file's type anyway.
    let tables = if target == Target::Cpu { tables::find(graph, &nodes) } else { HashSet::new() };
    let mut walk = Walk { graph, asked, twins: HashMap::new(), pending: HashSet::new(), nodes: Vec::new() };
    for node in nodes {
        match kind_of(walk.graph, &tables, &node) {
            Kind::Narrows { from, made } => walk.narrows(node, from, made)?,
            Kind::Widens { from, made } => walk.widens(node, from, made)?,
            Kind::Follows => walk.follows(node)?,
            Kind::Keeps => walk.keeps(node)?,
        }
    }
    for output in walk.graph.outputs.clone() {
        walk.make(output)?;
    }
    walk.graph.nodes = walk.nodes;
    Ok(())
}

fn kind_of(graph: &Graph, tables: &HashSet<ValueId>, node: &Node) -> Kind {
    let takes_rows = tables::taken_from(node).is_some_and(|table| tables.contains(&table));
    if takes_rows { Kind::Keeps } else { kind::of(graph, node) }
}

/// Outputs of the graph that the file itself makes of halves: each is the twin of the value that it is made of.
fn asked(graph: &Graph, nodes: &[Node]) -> HashMap<ValueId, ValueId> {
    let cast = |node: &Node| {
        operator::<Cast>(node)?;
        let (from, made) = (node.input(0)?, node.only_output()?);
        let wide = graph.fact(made).elem == Some(ElemType::F32);
        let half = graph.fact(from).elem.is_some_and(is_half);
        (half && wide && graph.outputs.contains(&made)).then_some((from, made))
    };
    nodes.iter().filter_map(cast).collect()
}

/// Goes over the nodes in order and appends what takes their place.
struct Walk<'g> {
    graph: &'g mut Graph,
    asked: HashMap<ValueId, ValueId>,
    /// For values of 16 bits, the same in f32.
    twins: HashMap<ValueId, ValueId>,
    /// Values of which so far only the twin is made.
    pending: HashSet<ValueId>,
    nodes: Vec<Node>,
}

impl Walk<'_> {
    fn follows(&mut self, node: Node) -> Result<()> {
        let inputs = node.inputs.iter().map(|id| id.map(|id| self.wide(id)).transpose());
        let inputs = inputs.collect::<Result<_>>()?;
        let outputs = node.outputs.iter().map(|id| id.map(|id| self.made(id))).collect();
        self.nodes.push(Node { inputs, outputs, ..node });
        Ok(())
    }

    fn keeps(&mut self, node: Node) -> Result<()> {
        node.inputs.iter().flatten().try_for_each(|&id| self.make(id))?;
        self.nodes.push(node);
        Ok(())
    }

    /// A conversion to 16 bits: of floats nothing is left, of others it is one to f32.
    fn narrows(&mut self, node: Node, from: ValueId, made: ValueId) -> Result<()> {
        if self.is_float(from) {
            let twin = self.wide(from)?;
            self.twins.insert(made, twin);
            self.pending.insert(made);
        } else {
            let twin = self.made(made);
            self.nodes.push(Node { outputs: vec![Some(twin)], ..cast(node.name, from, ElemType::F32) });
        }
        Ok(())
    }

    /// A conversion from 16 bits to f32: it hands its input on, where that is not the twin already.
    fn widens(&mut self, node: Node, from: ValueId, made: ValueId) -> Result<()> {
        let twin = self.wide(from)?;
        if twin != made {
            self.nodes.push(Node { outputs: vec![Some(made)], ..cast(node.name, twin, ElemType::F32) });
        }
        Ok(())
    }

    fn elem(&self, id: ValueId) -> Option<ElemType> {
        self.graph.fact(id).elem
    }

    fn is_float(&self, id: ValueId) -> bool {
        self.elem(id).is_some_and(|elem| is_half(elem) || elem == ElemType::F32)
    }

    /// The value in f32.
    fn wide(&mut self, id: ValueId) -> Result<ValueId> {
        if !self.elem(id).is_some_and(is_half) {
            return Ok(id);
        }
        if let Some(&twin) = self.twins.get(&id) {
            return Ok(twin);
        }
        let twin = self.twin(id);
        // Taken out, so that no model is in memory twice; a twin has all its digits.
        match self.graph.values[id.index()].fact.constant.take() {
            Some(value) => {
                self.fix(twin, &plain(value.tensor()?, ElemType::F32)?);
                self.pending.insert(id);
            }
            None => self.put(id, twin),
        }
        Ok(twin)
    }

    /// What a node makes in the place of `id`.
    fn made(&mut self, id: ValueId) -> ValueId {
        if !self.elem(id).is_some_and(is_half) {
            return id;
        }
        self.pending.insert(id);
        self.twin(id)
    }

    /// Sees to it that a value is there in the file's type.
    fn make(&mut self, id: ValueId) -> Result<()> {
        let (Some(&twin), Some(elem)) = (self.twins.get(&id), self.elem(id)) else { return Ok(()) };
        if !self.pending.remove(&id) {
            return Ok(());
        }
        match self.graph.fact(twin).constant_tensor() {
            Some(tensor) => {
                let tensor = plain(tensor, elem)?;
                self.fix(id, &tensor);
            }
            None => self.put(twin, id),
        }
        Ok(())
    }

    /// A new value in f32, of which is known what is known of `id`.
    fn twin(&mut self, id: ValueId) -> ValueId {
        let twin = self.asked.get(&id).copied().unwrap_or_else(|| {
            let ValueInfo { name, fact } = &self.graph.values[id.index()];
            let fact = Fact { elem: Some(ElemType::F32), ..fact.without_constant() };
            let info = ValueInfo { name: name.clone(), fact };
            self.graph.add_value(info)
        });
        self.twins.insert(id, twin);
        twin
    }

    fn fix(&mut self, id: ValueId, tensor: &Tensor) {
        self.graph.values[id.index()].fact = Fact::of_constant(&Value::Tensor(tensor.clone()));
    }

    /// A conversion of a value to the type of another.
    fn put(&mut self, from: ValueId, made: ValueId) {
        let ValueInfo { name, fact } = &self.graph.values[made.index()];
        let node = cast(name.clone(), from, fact.elem.unwrap_or(ElemType::F32));
        self.nodes.push(Node { outputs: vec![Some(made)], ..node });
    }
}

/// A conversion that makes nothing yet.
fn cast(name: String, from: ValueId, to: ElemType) -> Node {
    let (op, inputs) = (Box::new(Cast::to(to)), vec![Some(from)]);
    Node { name, op_type: "Cast", op, inputs, outputs: Vec::new() }
}
