//! Rewrites a graph rule by rule.
//!
//! A rule looks at one node, the root, and at what stands before it; where its pattern matches, it puts other
//! nodes in the root's place. It removes nothing: a node that nobody reads any more is dropped afterwards, so
//! that a value that somebody else reads, or that is an output of the graph, stays by itself. Invariants: the
//! new nodes make every output of the root that is read; they take only values made before the root.

mod packs;
mod view;

pub(crate) use self::{
    packs::Packs,
    view::{View, operator},
};

use std::collections::HashSet;

use super::dead;
use crate::{
    error::{OpError, Result},
    graph::{Fact, Graph, Node, ValueId, ValueInfo},
    ops::{Facts, Op},
    value::{Tensor, Value},
};

/// The most times that one list of rules goes over a graph.
const MAX_ROUNDS: usize = 128;

/// A round ends early once it has made or packed this part of the model's constants, so that what it takes the
/// place of is freed before more is made: no model is in memory twice.
const ROUND_PART: usize = 32;

/// Less than this is never worth a round.
const LEAST_ROUND: usize = 4 << 20;

/// Looks at the root and, where its pattern matches, says on `edit` what takes the root's place. `None`, or an
/// edit without nodes, leaves the graph as it is.
pub(crate) type Rule = fn(view: &View<'_>, root: &Node, edit: &mut Edit) -> Option<()>;

/// What takes a root's place.
#[derive(Debug)]
pub(crate) struct Edit {
    /// The root's name, for messages.
    place: String,
    /// The id that the next new value gets.
    next: usize,
    values: Vec<ValueInfo>,
    nodes: Vec<Node>,
    aliases: Vec<(ValueId, ValueId)>,
}

impl Edit {
    fn new(graph: &Graph, root: &Node) -> Self {
        Self {
            place: root.name.clone(),
            next: graph.values.len(),
            values: Vec::new(),
            nodes: Vec::new(),
            aliases: Vec::new(),
        }
    }

    /// A new constant.
    pub(crate) fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.value(Fact::of_constant(&Value::Tensor(tensor)))
    }

    /// A node that makes a new value, which may be taken by the nodes after it.
    pub(crate) fn node(
        &mut self,
        op_type: &'static str,
        op: impl Op + 'static,
        inputs: impl IntoIterator<Item = Option<ValueId>>,
    ) -> ValueId {
        let made = self.value(Fact::default());
        self.node_into(op_type, op, inputs, [Some(made)]);
        made
    }

    /// A node that makes values that are there already (the root's outputs), or new ones.
    pub(crate) fn node_into(
        &mut self,
        op_type: &'static str,
        op: impl Op + 'static,
        inputs: impl IntoIterator<Item = Option<ValueId>>,
        outputs: impl IntoIterator<Item = Option<ValueId>>,
    ) {
        self.nodes.push(Node {
            name: self.place.clone(),
            op_type,
            op: Box::new(op),
            inputs: inputs.into_iter().collect(),
            outputs: outputs.into_iter().collect(),
        });
    }

    /// A new value that a node of [`Self::node_into`] is to make.
    pub(crate) fn value(&mut self, fact: Fact) -> ValueId {
        let id = ValueId(u32::try_from(self.next).unwrap_or(u32::MAX));
        self.next += 1;
        self.values.push(ValueInfo { name: self.place.clone(), fact });
        id
    }

    /// Everybody who takes `made`, an output of the root that is no output of the graph, takes `instead`.
    pub(crate) fn alias(&mut self, made: ValueId, instead: ValueId) {
        self.aliases.push((made, instead));
    }

    /// Bytes of the constants that it makes.
    fn constant_bytes(&self) -> usize {
        self.values.iter().filter_map(|info| info.fact.constant_tensor()).map(Tensor::bytes).sum()
    }

    const fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.aliases.is_empty()
    }
}

/// Applies the rules, node by node in order and the first rule that matches, until none matches any more.
///
/// # Errors
/// Where a new node can never run on its inputs.
pub(crate) fn run(graph: &mut Graph, rules: &[Rule]) -> Result<()> {
    let most = LEAST_ROUND.max(graph.constant_bytes() / ROUND_PART);
    let packs = Packs::default();
    for _ in 0..MAX_ROUNDS {
        let edits = round(graph, &packs, rules, most);
        if edits.is_empty() {
            break;
        }
        apply(graph, edits)?;
        dead::run(graph);
    }
    Ok(())
}

/// One edit at most for each node, none of which sees another's, until they make or take `most` bytes.
fn round(graph: &Graph, packs: &Packs, rules: &[Rule], most: usize) -> Vec<(usize, Edit)> {
    let view = View::new(graph, packs);
    let (mut edits, mut held, mut read) = (Vec::new(), 0, HashSet::new());
    let mut next = graph.values.len();
    for (index, root) in graph.nodes.iter().enumerate() {
        let matched = rules.iter().find_map(|rule| {
            let mut edit = Edit { next, ..Edit::new(graph, root) };
            rule(&view, root, &mut edit).filter(|()| !edit.is_empty()).map(|()| edit)
        });
        if let Some(edit) = matched {
            next = edit.next;
            held += edit.constant_bytes() + taken(graph, root, &mut read);
            edits.push((index, edit));
        }
        if held >= most {
            break;
        }
    }
    edits
}

/// Bytes of the constants that a node is the first to read.
fn taken(graph: &Graph, node: &Node, read: &mut HashSet<ValueId>) -> usize {
    let first = node.inputs.iter().flatten().filter(|&&id| read.insert(id));
    let constants = first.filter_map(|&id| graph.fact(id).constant_tensor());
    constants.map(Tensor::bytes).sum()
}

fn apply(graph: &mut Graph, edits: Vec<(usize, Edit)>) -> Result<()> {
    let mut edits = edits.into_iter().peekable();
    let mut aliases = Vec::new();
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for (index, node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        let Some((_, edit)) = edits.next_if(|(at, _)| *at == index) else {
            nodes.push(node);
            continue;
        };
        graph.values.extend(edit.values);
        for made in edit.nodes {
            infer(graph, &made)?;
            nodes.push(made);
        }
        aliases.extend(edit.aliases);
    }
    graph.nodes = nodes;
    redirect(graph, &aliases);
    Ok(())
}

/// Fills in what is known of a new node's outputs.
fn infer(graph: &mut Graph, node: &Node) -> Result<()> {
    let facts = Facts::new(node.inputs.iter().map(|id| id.map(|id| graph.fact(id))).collect());
    let inferred = node.op.infer(&facts, node.outputs.len()).map_err(|error| error.at(&node.name))?;
    for (id, fact) in node.outputs.iter().zip(inferred) {
        let Some(id) = id else { continue };
        let info = graph.values.get_mut(id.index()).ok_or_else(|| OpError::invalid("an unknown value"))?;
        // A fact that was there before may know more: it came from the whole pattern.
        info.fact = std::mem::take(&mut info.fact).or(&fact);
    }
    Ok(())
}

fn redirect(graph: &mut Graph, aliases: &[(ValueId, ValueId)]) {
    if aliases.is_empty() {
        return;
    }
    let mut target: Vec<ValueId> = (0..graph.values.len() as u32).map(ValueId).collect();
    // In order of their nodes: what an alias points to has its own final place already.
    for &(made, instead) in aliases {
        target[made.index()] = target[instead.index()];
    }
    for node in &mut graph.nodes {
        node.inputs.iter_mut().flatten().for_each(|id| *id = target[id.index()]);
    }
}

#[cfg(test)]
mod tests;
