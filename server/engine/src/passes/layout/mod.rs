//! Gives images channels innermost (NHWC), as the convolutions' kernels want them, from the first convolution
//! on: every operator that can work in that order does, and the order changes only where one that cannot reads
//! an image, once. What is handed out of the graph keeps ONNX's order.

mod convert;
mod reorder;

use std::collections::{HashMap, HashSet};

use super::rewrite::operator;
use crate::{
    Exactness,
    error::Result,
    graph::{Fact, Graph, Node, ValueId, ValueInfo},
    ops::{
        Op,
        fused::nhwc::{NhwcOrder, channels_last},
        nn::conv::Conv,
        tensor::transpose::permuted,
    },
    value::{ElemType, Tensor, Value},
};

/// Rewrites the graph, where it has convolutions.
///
/// # Errors
/// Where a constant cannot be turned.
pub(super) fn run(graph: &mut Graph, exactness: Exactness) -> Result<()> {
    if !graph.nodes.iter().any(|node| operator::<Conv>(node).is_some()) {
        return Ok(());
    }
    let mut still = Still::new(graph);
    let nodes = std::mem::take(&mut graph.nodes);
    let mut walk =
        Walk { graph, twins: HashMap::new(), pending: HashSet::new(), nodes: Vec::new(), exactness };
    for node in nodes {
        let (taken, before) = (node.inputs.clone(), walk.nodes.len());
        walk.visit(node)?;
        still.read(&taken, &walk.nodes[before..], walk.graph);
    }
    for output in walk.graph.outputs.clone() {
        walk.make(output);
    }
    graph.nodes = walk.nodes;
    Ok(())
}

/// Which constants are still needed: one that has been packed goes at once, so that no model is in memory
/// twice.
struct Still {
    /// How often each value is still to be read by a node not visited yet.
    readers: Vec<usize>,
    /// Whether a node that has been put reads it.
    kept: Vec<bool>,
}

impl Still {
    fn new(graph: &Graph) -> Self {
        let mut readers = vec![0; graph.values.len()];
        let read = graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).chain(&graph.outputs);
        read.for_each(|id| readers[id.index()] += 1);
        Self { kept: vec![false; readers.len()], readers }
    }

    /// `made` has been put in the place of a node that took `taken`.
    fn read(&mut self, taken: &[Option<ValueId>], made: &[Node], graph: &mut Graph) {
        for id in made.iter().flat_map(|node| node.inputs.iter().flatten()) {
            if let Some(kept) = self.kept.get_mut(id.index()) {
                *kept = true;
            }
        }
        for id in taken.iter().flatten() {
            // What the pass has added itself has no count.
            let Some(readers) = self.readers.get_mut(id.index()) else { continue };
            *readers = readers.saturating_sub(1);
            if *readers == 0 && !self.kept[id.index()] {
                graph.values[id.index()].fact.constant = None;
            }
        }
    }
}

/// Goes over the nodes in order and appends what takes their place.
struct Walk<'g> {
    graph: &'g mut Graph,
    /// For values in ONNX's order, the same with channels innermost.
    twins: HashMap<ValueId, ValueId>,
    /// Values of which so far only the twin is made.
    pending: HashSet<ValueId>,
    nodes: Vec<Node>,
    exactness: Exactness,
}

impl Walk<'_> {
    fn visit(&mut self, node: Node) -> Result<()> {
        if convert::node(self, &node)?.is_some() {
            return Ok(());
        }
        if let Some(inputs) = reorder::inputs(self, &node)? {
            let outputs = node.outputs.iter().flatten().map(|&id| Some(self.twin_of_made(id))).collect();
            self.nodes.push(Node { inputs, outputs, ..node });
            return Ok(());
        }
        node.inputs.iter().flatten().for_each(|&id| self.make(id));
        self.nodes.push(node);
        Ok(())
    }

    /// What is known of a value.
    fn fact(&self, id: ValueId) -> &Fact {
        self.graph.fact(id)
    }

    /// The rank of a value, where it is f32 and may be images.
    fn image_rank(&self, id: ValueId) -> Option<usize> {
        let fact = self.fact(id);
        fact.rank().filter(|rank| fact.elem == Some(ElemType::F32) && (3..=5).contains(rank))
    }

    /// The value with channels innermost, where it is there already.
    fn twin(&self, id: ValueId) -> Option<ValueId> {
        self.twins.get(&id).copied()
    }

    /// The value with channels innermost, turned where it is not there yet.
    fn turned(&mut self, id: ValueId) -> Result<ValueId> {
        if let Some(twin) = self.twin(id) {
            return Ok(twin);
        }
        if let Some(tensor) = self.fact(id).constant_tensor().cloned() {
            let twin = self.constant(&permuted(&tensor, &channels_last(tensor.rank()))?);
            self.twins.insert(id, twin);
            return Ok(twin);
        }
        let twin = self.add_twin(id);
        self.put("NhwcOrder", NhwcOrder::ToChannels, vec![Some(id)], twin);
        Ok(twin)
    }

    /// Sees to it that a value is there in ONNX's order.
    fn make(&mut self, id: ValueId) {
        if let (true, Some(twin)) = (self.pending.remove(&id), self.twin(id)) {
            self.put("NhwcOrder", NhwcOrder::ToPlanes, vec![Some(twin)], id);
        }
    }

    /// The twin that a node is about to make in the value's place.
    fn twin_of_made(&mut self, id: ValueId) -> ValueId {
        self.pending.insert(id);
        self.add_twin(id)
    }

    /// A new value with channels innermost, of which is known what is known of `id`.
    fn add_twin(&mut self, id: ValueId) -> ValueId {
        let ValueInfo { name, fact } = &self.graph.values[id.index()];
        let shape = fact.shape.as_ref().map(|shape| {
            channels_last(shape.len()).into_iter().filter_map(|axis| shape.get(axis).cloned()).collect()
        });
        let info = ValueInfo { name: name.clone(), fact: Fact::tensor(fact.elem, shape) };
        let twin = self.graph.add_value(info);
        self.twins.insert(id, twin);
        twin
    }

    fn constant(&mut self, tensor: &Tensor) -> ValueId {
        let fact = Fact::of_constant(&Value::Tensor(tensor.clone()));
        self.graph.add_value(ValueInfo { name: String::new(), fact })
    }

    fn put(
        &mut self,
        op_type: &'static str,
        op: impl Op + 'static,
        inputs: Vec<Option<ValueId>>,
        output: ValueId,
    ) {
        let name = self.graph.values[output.index()].name.clone();
        self.nodes.push(Node { name, op_type, op: Box::new(op), inputs, outputs: vec![Some(output)] });
    }
}
