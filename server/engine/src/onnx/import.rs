//! Imports one graph of a model file, and the graphs inside it.
//!
//! A subgraph becomes a plan of its own. The values that it takes from around it become inputs of the node
//! that holds it, so that liveness and dead-code removal need not look inside; constants are taken along.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use girandole_proto::onnx::{GraphProto, NodeProto, ValueInfoProto};

use super::{
    NodeDef,
    order::{execution_order, place},
    scope::Scope,
    tensor_from_proto, types,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, Graph, Node, ValueId, ValueInfo},
    ops::{
        self, Domain,
        function::{BODY_OPSET, Body, FunctionDef, Step},
    },
    passes,
    plan::Plan,
    value::Value,
};

/// How deep graphs may lie in graphs.
const MAX_DEPTH: usize = 16;

/// A planned graph inside a node.
#[derive(Clone, Debug)]
pub struct Subgraph {
    /// The plan; its inputs are the subgraph's own, then the captured values.
    pub plan: Arc<Plan>,
    /// Number of the subgraph's own inputs.
    pub formal_inputs: usize,
    /// Which inputs of the node the captured values are, in order.
    pub captures: Vec<usize>,
    /// What is known of the outputs.
    pub outputs: Vec<Fact>,
}

/// What holds for every graph of one file.
pub(super) struct Context<'a> {
    pub(super) opsets: HashMap<Domain, u32>,
    pub(super) folder: Option<&'a Path>,
}

/// Imports one graph.
pub(super) struct Importer<'a> {
    context: &'a Context<'a>,
    outer: Option<&'a Importer<'a>>,
    depth: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    graph: Graph,
    scope: Scope,
    /// Names taken from the graph around, in the order in which they became inputs.
    captured: Vec<String>,
}

/// What a name means inside a graph.
enum Found {
    Constant(Value),
    Outside(Fact),
}

impl<'a> Importer<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self { context, outer: None, depth: 0, state: RefCell::default() }
    }

    /// The graph with its passes done.
    pub(super) fn graph(self, proto: &GraphProto) -> Result<Graph> {
        self.import(proto)?;
        let mut graph = self.state.into_inner().graph;
        passes::run(&mut graph)?;
        Ok(graph)
    }

    /// A planned subgraph; `captures` collects what the node must take beyond its `formal` inputs.
    pub(super) fn subgraph(
        &self,
        proto: &GraphProto,
        formal: usize,
        captures: &mut Vec<String>,
    ) -> Result<Subgraph> {
        if self.depth >= MAX_DEPTH {
            return Err(OpError::invalid(format!("graphs lie more than {MAX_DEPTH} deep in graphs")));
        }
        let inner = Importer {
            context: self.context,
            outer: Some(self),
            depth: self.depth + 1,
            state: RefCell::default(),
        };
        inner.import(proto)?;
        let mut state = inner.state.into_inner();
        let formal_inputs = state.graph.inputs.len() - state.captured.len();
        passes::run(&mut state.graph)?;
        let outputs = state.graph.outputs.iter().map(|&id| state.graph.fact(id).clone()).collect();
        let plan = Arc::new(Plan::new(state.graph)?);
        let captures = state.captured.into_iter().map(|name| formal + position(captures, name)).collect();
        Ok(Subgraph { plan, formal_inputs, captures, outputs })
    }

    fn import(&self, proto: &GraphProto) -> Result<()> {
        self.initializers(proto)?;
        // Old files list their initializers among the inputs.
        let constants: HashSet<&str> = proto.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        for input in proto.input.iter().filter(|input| !constants.contains(input.name.as_str())) {
            let fact = types::input_fact(&input.name, input.r#type.as_ref())?;
            let id = self.define(&input.name, fact)?;
            self.state.borrow_mut().graph.inputs.push(id);
        }
        let declared = declared(proto);
        for index in execution_order(&proto.node)? {
            let node = &proto.node[index];
            self.node(node, index, &declared).map_err(|error| error.at(place(node, index)))?;
        }
        for output in &proto.output {
            let id = self.resolve(&output.name)?;
            self.state.borrow_mut().graph.outputs.push(id);
        }
        Ok(())
    }

    fn initializers(&self, proto: &GraphProto) -> Result<()> {
        if let Some(sparse) = proto.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or("", |values| &values.name);
            return Err(OpError::unsupported(format!("sparse initializer '{name}' is not supported")));
        }
        for tensor in &proto.initializer {
            let value = Value::Tensor(tensor_from_proto(tensor, self.context.folder)?);
            self.define(&tensor.name, Fact::of_constant(&value))?;
        }
        Ok(())
    }

    fn node(&self, proto: &NodeProto, index: usize, declared: &HashMap<&str, &ValueInfoProto>) -> Result<()> {
        let domain = Domain::parse(&proto.domain).ok_or_else(|| {
            OpError::unsupported(format!(
                "domain '{}' of operator {} is unknown",
                proto.domain, proto.op_type
            ))
        })?;
        if let Some(function) = ops::find_function(domain, &proto.op_type) {
            return self.function(function, proto, &place(proto, index), declared);
        }
        let opset = *self.context.opsets.get(&domain).ok_or_else(|| {
            OpError::invalid(format!("the model imports no operator set of domain {}", domain.name()))
        })?;
        self.operator(domain, opset, proto, &place(proto, index), declared)
    }

    /// A node of a function, as the nodes of its body.
    fn function(
        &self,
        function: &FunctionDef,
        proto: &NodeProto,
        place: &str,
        declared: &HashMap<&str, &ValueInfoProto>,
    ) -> Result<()> {
        let node = NodeDef { proto, opset: BODY_OPSET, importer: self, captures: RefCell::default() };
        let mut body = Body::new(proto);
        (function.expand)(&node, &mut body)?;
        for step in body.steps {
            match step {
                Step::Node(inner) => {
                    let domain = Domain::parse(&inner.domain).unwrap_or(Domain::Onnx);
                    let opset = if domain == Domain::Onnx { BODY_OPSET } else { domain.newest() };
                    self.operator(domain, opset, &inner, place, declared)?;
                }
                Step::Own(op_type, op, inputs, output) => {
                    let inputs =
                        inputs.iter().map(|name| self.resolve_optional(name)).collect::<Result<_>>()?;
                    let outputs = vec![Some(self.define(&output, Fact::default())?)];
                    let node = Node { name: place.to_owned(), op_type, op, inputs, outputs };
                    self.state.borrow_mut().graph.nodes.push(node);
                }
            }
        }
        Ok(())
    }

    fn operator(
        &self,
        domain: Domain,
        opset: u32,
        proto: &NodeProto,
        place: &str,
        declared: &HashMap<&str, &ValueInfoProto>,
    ) -> Result<()> {
        let def = ops::find(domain, &proto.op_type).filter(|def| def.since <= opset).ok_or_else(|| {
            let domain = domain.name();
            OpError::unsupported(format!(
                "operator {} of {domain} opset {opset} is not supported",
                proto.op_type
            ))
        })?;
        let node = NodeDef { proto, opset, importer: self, captures: RefCell::default() };
        if let Some(missing) = (0..ops::required_inputs(&proto.op_type, opset)).find(|&i| !node.has_input(i))
        {
            return Err(OpError::invalid(format!("input {missing} is missing")));
        }
        let mut inputs =
            proto.input.iter().map(|name| self.resolve_optional(name)).collect::<Result<Vec<_>>>()?;
        let op = (def.parse)(&node)?;
        for name in node.captures.into_inner() {
            inputs.push(Some(self.resolve(&name)?));
        }
        let outputs = proto.output.iter().map(|name| self.output(name, declared)).collect::<Result<_>>()?;
        let node = Node { name: place.to_owned(), op_type: def.name, op, inputs, outputs };
        self.state.borrow_mut().graph.nodes.push(node);
        Ok(())
    }

    fn output(&self, name: &str, declared: &HashMap<&str, &ValueInfoProto>) -> Result<Option<ValueId>> {
        if name.is_empty() {
            return Ok(None);
        }
        let fact = declared
            .get(name)
            .map_or_else(|| Ok(Fact::default()), |info| types::fact(name, info.r#type.as_ref()))?;
        self.define(name, fact).map(Some)
    }

    fn resolve_optional(&self, name: &str) -> Result<Option<ValueId>> {
        if name.is_empty() { Ok(None) } else { self.resolve(name).map(Some) }
    }

    /// The value of a name here; one from around this graph becomes an input or a constant of it.
    fn resolve(&self, name: &str) -> Result<ValueId> {
        if let Some(id) = self.state.borrow().scope.get(name) {
            return Ok(id);
        }
        let found = self.outer.map(|outer| outer.find(name)).transpose()?.flatten();
        match found {
            Some(Found::Constant(value)) => self.define(name, Fact::of_constant(&value)),
            Some(Found::Outside(fact)) => {
                let id = self.define(name, fact)?;
                let mut state = self.state.borrow_mut();
                state.graph.inputs.push(id);
                state.captured.push(name.to_owned());
                Ok(id)
            }
            None => Err(OpError::invalid(format!("value '{name}' is used but never made"))),
        }
    }

    /// What a graph inside this one finds under a name.
    fn find(&self, name: &str) -> Result<Option<Found>> {
        let state = self.state.borrow();
        if let Some(id) = state.scope.get(name) {
            let fact = state.graph.fact(id);
            return Ok(Some(
                fact.constant.clone().map_or_else(|| Found::Outside(fact.clone()), Found::Constant),
            ));
        }
        self.outer.map_or(Ok(None), |outer| outer.find(name))
    }

    /// What is known of the value of a name so far.
    pub(super) fn fact(&self, name: &str) -> Result<Fact> {
        Ok(match self.find(name)? {
            Some(Found::Constant(value)) => Fact::of_constant(&value),
            Some(Found::Outside(fact)) => fact,
            None => Fact::default(),
        })
    }

    fn define(&self, name: &str, fact: Fact) -> Result<ValueId> {
        let mut state = self.state.borrow_mut();
        let id = state.graph.add_value(ValueInfo { name: name.to_owned(), fact });
        if state.scope.define(name, id) {
            return Ok(id);
        }
        Err(OpError::invalid(format!("value '{name}' is made twice")))
    }
}

/// The place of a name among the captures, where it is put if it is new.
fn position(captures: &mut Vec<String>, name: String) -> usize {
    captures.iter().position(|known| *known == name).unwrap_or_else(|| {
        captures.push(name);
        captures.len() - 1
    })
}

fn declared(proto: &GraphProto) -> HashMap<&str, &ValueInfoProto> {
    proto.value_info.iter().chain(&proto.output).map(|info| (info.name.as_str(), info)).collect()
}
