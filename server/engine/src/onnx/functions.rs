//! The functions of a model file: operators of its own, made of others. A call is replaced by the body when
//! the file is imported; the body's names are its own, its operator sets too.
//!
//! Limits hold in what a file can make of it: a function that calls itself is refused, and so are calls too
//! deep in calls, and bodies that come to too many nodes or bytes in all, the graphs inside them included.

use std::{cell::Cell, collections::HashMap};

use girandole_proto::onnx::{AttributeProto, FunctionProto, NodeProto};
use prost::Message;

use crate::{
    error::{OpError, Result},
    ops::Domain,
};

use super::{model::opsets, order::place};

/// How deep calls may lie in calls.
const MAX_DEPTH: usize = 64;

/// How many nodes all calls of a file may come to.
const MAX_NODES: usize = 1 << 18;

/// How many bytes of bodies all calls may come to, and how often the bytes of all functions where that is more.
const MAX_BYTES: usize = 64 << 20;
const MAX_COPIES: usize = 4;

/// The longest place in messages, in bytes; of longer ones the calls are left out.
const LONGEST_PLACE: usize = 512;

/// The version of each domain's operator set.
pub(super) type Opsets = HashMap<Domain, u32>;

/// A function of the file.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) proto: &'a FunctionProto,
    opsets: Opsets,
    size: Size,
}

/// What a body takes, the graphs inside it included.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn of(function: &FunctionProto) -> Self {
        Self { nodes: function.node.iter().map(nodes).sum(), bytes: function.encoded_len() }
    }

    const fn plus(self, other: Self) -> Self {
        let nodes = self.nodes.saturating_add(other.nodes);
        Self { nodes, bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// A node and those of the graphs inside it.
pub(super) fn nodes(node: &NodeProto) -> usize {
    let graphs = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
    1 + graphs.flat_map(|graph| &graph.node).map(nodes).sum::<usize>()
}

impl Function<'_> {
    /// The name for messages.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.proto.domain, self.proto.name)
    }
}

/// Domain, name and overload.
type Key<'a> = (&'a str, &'a str, &'a str);

/// The functions of a file, by name.
#[derive(Debug, Default)]
pub(super) struct Functions<'a> {
    by_name: HashMap<Key<'a>, Function<'a>>,
    /// What calls came to so far.
    inlined: Cell<Size>,
    /// What they may come to.
    most_bytes: usize,
}

impl<'a> Functions<'a> {
    /// # Errors
    /// `Invalid` where a function stands twice, `Unsupported` for operator sets that the engine lacks.
    pub(super) fn new(protos: &'a [FunctionProto], model: &Opsets) -> Result<Self> {
        let mut by_name = HashMap::with_capacity(protos.len());
        for proto in protos {
            let name = (domain(&proto.domain), proto.name.as_str(), proto.overload.as_str());
            // What a body does not import it takes from the model.
            let mut own = model.clone();
            own.extend(
                opsets(&proto.opset_import)
                    .map_err(|error| error.of(format_args!("function {}", proto.name)))?,
            );
            if by_name.insert(name, Function { proto, opsets: own, size: Size::of(proto) }).is_some() {
                return Err(OpError::invalid(format!(
                    "function {}.{} stands twice",
                    proto.domain, proto.name
                )));
            }
        }
        let own: usize = by_name.values().map(|function: &Function<'_>| function.size.bytes).sum();
        let most_bytes = own.saturating_mul(MAX_COPIES).max(MAX_BYTES);
        Ok(Self { by_name, inlined: Cell::default(), most_bytes })
    }

    /// The function that a node calls.
    pub(super) fn get<'s>(&'s self, node: &'s NodeProto) -> Option<&'s Function<'s>> {
        self.by_name.get(&(domain(&node.domain), node.op_type.as_str(), node.overload.as_str()))
    }

    /// Counts a body that is about to be inlined.
    ///
    /// # Errors
    /// `Invalid` beyond the limits.
    fn count(&self, body: Size) -> Result<()> {
        let all = self.inlined.get().plus(body);
        self.inlined.set(all);
        if all.nodes > MAX_NODES {
            return Err(OpError::invalid(format!(
                "the calls of functions come to more than {MAX_NODES} nodes"
            )));
        }
        if all.bytes > self.most_bytes {
            return Err(OpError::invalid(format!(
                "the calls of functions come to more than {} bytes of their bodies",
                self.most_bytes
            )));
        }
        Ok(())
    }
}

/// The two names of ONNX's own domain as one.
fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

/// Where a node stands: in a graph of the file, or in the body of a function that was called.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) opsets: &'a Opsets,
    /// The attributes that a body refers to.
    attributes: HashMap<&'a str, &'a AttributeProto>,
    /// The function and where it was called.
    call: Option<(&'a FunctionProto, &'a Frame<'a>)>,
    depth: usize,
    /// The calls, for messages.
    place: String,
}

impl<'a> Frame<'a> {
    /// That of the file's own graph.
    pub(super) fn of_model(opsets: &'a Opsets) -> Self {
        Self { opsets, attributes: HashMap::new(), call: None, depth: 0, place: String::new() }
    }

    /// That of the body of `function`, called by node `index` of this frame.
    ///
    /// # Errors
    /// `Invalid` where the call is one too many.
    pub(super) fn enter(
        &'a self,
        functions: &Functions<'_>,
        function: &'a Function<'_>,
        caller: &'a NodeProto,
        index: usize,
    ) -> Result<Self> {
        let proto = function.proto;
        if self.calls(proto) {
            return Err(OpError::invalid(format!("function {} calls itself", function.name())));
        }
        if self.depth >= MAX_DEPTH {
            return Err(OpError::invalid(format!("calls lie more than {MAX_DEPTH} deep in calls")));
        }
        functions.count(function.size)?;
        let defaults = proto.attribute_proto.iter().map(|attribute| (attribute.name.as_str(), attribute));
        let given = caller.attribute.iter();
        let given = given.filter_map(|own| Some((own.name.as_str(), self.attribute(own)?)));
        Ok(Self {
            opsets: &function.opsets,
            attributes: defaults.chain(given).collect(),
            call: Some((proto, self)),
            depth: self.depth + 1,
            place: self.place(caller, index),
        })
    }

    /// Whether `function` is being inlined here.
    fn calls(&self, function: &FunctionProto) -> bool {
        self.call.is_some_and(|(own, caller)| std::ptr::eq(own, function) || caller.calls(function))
    }

    /// An attribute of a node: in a body it may stand for one of the call's.
    pub(super) fn attribute<'b>(&'b self, own: &'b AttributeProto) -> Option<&'b AttributeProto> {
        if own.ref_attr_name.is_empty() {
            return Some(own);
        }
        self.attributes.get(own.ref_attr_name.as_str()).copied()
    }

    /// A node for messages, behind the calls that lead to it.
    pub(super) fn place(&self, node: &NodeProto, index: usize) -> String {
        let own = place(node, index);
        if self.place.is_empty() || self.place.len() + own.len() > LONGEST_PLACE {
            return own;
        }
        format!("{}, {own}", self.place)
    }
}
