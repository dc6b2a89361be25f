//! Finds the parts of a graph in which images of a batch have nothing to do with each other and whose maps are
//! larger than their weights, and puts one [`ByImage`] in the place of each. Where weights are larger a batch
//! stays together, so that each weight is read once for all images.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::rewrite::operator;
use crate::{
    error::Result,
    graph::{Fact, Graph, Node, SymDim, ValueId},
    ops::fused::{by_image::ByImage, nhwc::NhwcConv},
    plan::Plan,
    value::ElemType,
};

/// Bytes of weights that may be read again for each image, since they stay in the cache.
const LIGHT: usize = 128 << 10;

/// Convolutions that make a part worth a run of its own for each image.
const FEWEST: usize = 2;

/// Bytes of an image's maps from which on those of a batch leave a core's cache before they are read again.
const SMALL: usize = 512 << 10;

/// Rewrites the graph.
///
/// # Errors
/// Where a part cannot be planned.
pub(super) fn run(graph: &mut Graph) -> Result<()> {
    let mut parts = parts(graph);
    while let Some(range) = parts.pop() {
        let outside = read_outside(graph, &range);
        let mut nodes = std::mem::take(&mut graph.nodes);
        let after = nodes.split_off(range.end);
        let mut part = Part::default();
        nodes.drain(range.start..).for_each(|node| part.add(graph, node, &outside));
        nodes.push(part.node()?);
        nodes.extend(after);
        graph.nodes = nodes;
    }
    Ok(())
}

/// Neighbouring nodes that are worth it, in order.
fn parts(graph: &Graph) -> Vec<Range<usize>> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let images: Vec<Option<&SymDim>> = graph.nodes.iter().map(|node| images(graph, node)).collect();
    for alike in images.chunk_by(|a, b| a == b) {
        let range = begin..begin + alike.len();
        begin = range.end;
        if alike[0].is_some() && is_worth_it(graph, &graph.nodes[range.clone()]) {
            parts.push(range);
        }
    }
    parts
}

/// The number of images of a node that may work on them one by one; `None` of another.
fn images<'g>(graph: &'g Graph, node: &Node) -> Option<&'g SymDim> {
    let made = graph.fact(node.only_output()?);
    let images = made.shape.as_ref()?.first()?;
    if matches!(images, SymDim::Unknown | SymDim::Known(0 | 1)) || made.elem != Some(ElemType::F32) {
        return None;
    }
    let pointwise = node.op.is_pointwise();
    let inputs: Vec<&Fact> = node.inputs.iter().flatten().map(|&id| graph.fact(id)).collect();
    let (constant, given): (Vec<&Fact>, Vec<&Fact>) =
        inputs.into_iter().partition(|fact| fact.constant.is_some());
    let one_for_all = |fact: &&Fact| {
        let first = fact.shape.as_ref().and_then(|shape| shape.first());
        pointwise && (fact.rank() < made.rank() || first == Some(&SymDim::Known(1)))
    };
    let for_each = |fact: &&Fact| {
        let first = fact.shape.as_ref().and_then(|shape| shape.first());
        let alike = fact.rank() == made.rank() || (given.len() == 1 && !pointwise);
        fact.elem == Some(ElemType::F32) && first == Some(images) && alike
    };
    let fits = (pointwise || node.op.is_by_image())
        && !given.is_empty()
        && constant.iter().all(one_for_all)
        && given.iter().all(for_each);
    let maps = all_bytes(given.into_iter());
    let weights = node.op.constant_bytes();
    (fits && (weights <= LIGHT || maps.is_none_or(|maps| weights <= maps))).then_some(images)
}

/// Bytes of one image in all of these; `None` where they are not known before a run.
fn all_bytes<'g>(mut facts: impl Iterator<Item = &'g Fact>) -> Option<usize> {
    facts.try_fold(0usize, |all, fact| Some(all.saturating_add(image_bytes(fact)?)))
}

/// Bytes of one image; `None` where they are not known before a run.
fn image_bytes(fact: &Fact) -> Option<usize> {
    let places = fact.shape.as_ref()?.get(1..)?;
    places.iter().try_fold(size_of::<f32>(), |bytes, dim| bytes.checked_mul(dim.known()?))
}

fn is_worth_it(graph: &Graph, nodes: &[Node]) -> bool {
    let convolutions = nodes.iter().filter(|node| operator::<NhwcConv>(node).is_some()).count();
    let made = all_bytes(nodes.iter().filter_map(Node::only_output).map(|id| graph.fact(id)));
    convolutions >= FEWEST && made.is_none_or(|bytes| bytes >= SMALL)
}

/// The values that others than these nodes read.
fn read_outside(graph: &Graph, range: &Range<usize>) -> HashSet<ValueId> {
    let others = graph.nodes.iter().enumerate().filter(|(index, _)| !range.contains(index));
    let read = others.flat_map(|(_, node)| node.inputs.iter().flatten());
    read.chain(&graph.outputs).copied().collect()
}

/// A part under construction.
#[derive(Default)]
struct Part {
    inner: Graph,
    /// The part's ids of the graph's values.
    ids: HashMap<ValueId, ValueId>,
    /// What the graph calls the part's inputs and outputs.
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
}

impl Part {
    fn add(&mut self, graph: &Graph, mut node: Node, read_outside: &HashSet<ValueId>) {
        for id in node.inputs.iter_mut().flatten() {
            *id = self.taken(graph, *id);
        }
        for id in node.outputs.iter_mut().flatten() {
            let own = self.own(graph, *id);
            if read_outside.contains(id) {
                self.inner.outputs.push(own);
                self.outputs.push(Some(*id));
            }
            *id = own;
        }
        self.inner.nodes.push(node);
    }

    /// The part's id of a value that a node takes.
    fn taken(&mut self, graph: &Graph, id: ValueId) -> ValueId {
        if let Some(own) = self.ids.get(&id) {
            return *own;
        }
        let own = self.own(graph, id);
        if graph.fact(id).constant.is_none() {
            self.inner.inputs.push(own);
            self.inputs.push(Some(id));
        }
        own
    }

    fn own(&mut self, graph: &Graph, id: ValueId) -> ValueId {
        let own = self.inner.add_value(graph.values[id.index()].clone());
        self.ids.insert(id, own);
        own
    }

    fn node(self) -> Result<Node> {
        let name = self.inner.nodes.first().map_or_else(String::new, |node| node.name.clone());
        let op = Box::new(ByImage::new(Plan::new(self.inner)?));
        Ok(Node { name, op_type: "ByImage", op, inputs: self.inputs, outputs: self.outputs })
    }
}
