//! Imports one graph of a model file, and the graphs inside it.
//!
//! A subgraph becomes a plan of its own. The values that it takes from around it become inputs of the node
//! that holds it, so that liveness and dead-code removal need not look inside; constants are taken along.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use girandole_core::Files;
use girandole_proto::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

use super::{
    NodeDef,
    functions::{Frame, Functions},
    order::{execution_order, place},
    scope::{Binding, Captures, Scopes},
    tensor_from_proto, types,
};
use crate::{
    Target, Tuning,
    error::{OpError, Result},
    graph::{Fact, Graph, Node, ValueId, ValueInfo},
    ops::{
        self, Domain, OpDef,
        function::{BODY_OPSET, Body, FunctionDef, Step},
    },
    passes::{self, Folding},
    plan::Plan,
    value::{Tensor, Value},
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

/// The initializers of a model's own graph whose elements its message leaves out.
pub(crate) trait Weights {
    /// The graph's initializer `index`; `None` where the message has its elements.
    ///
    /// # Errors
    /// `Invalid` where they cannot be read, or do not fit the message.
    fn tensor(&self, index: usize, proto: &TensorProto, files: &dyn Files) -> Option<Result<Tensor>>;
}

/// What holds for every graph of one file.
pub(super) struct Context<'a> {
    pub(super) functions: Functions<'a>,
    pub(super) files: &'a dyn Files,
    pub(super) folding: Folding,
    pub(super) weights: &'a dyn Weights,
    pub(super) tuning: Tuning,
}

/// Imports one graph.
pub(super) struct Importer<'a> {
    context: &'a Context<'a>,
    /// Where the node stands that holds the graph.
    frame: &'a Frame<'a>,
    outer: Option<&'a Importer<'a>>,
    depth: usize,
    pub(super) state: RefCell<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) graph: Graph,
    pub(super) scopes: Scopes,
    /// Names taken from the graph around, in the order in which they became inputs.
    captured: Vec<String>,
}

/// What a name means inside a graph.
enum Found {
    Constant(Value),
    Outside(Fact),
    LeftOut,
}

/// The types that a graph or a function declares for its values.
pub(super) type Declared<'a> = HashMap<&'a str, &'a ValueInfoProto>;

impl<'a> Importer<'a> {
    pub(super) fn new(context: &'a Context<'a>, frame: &'a Frame<'a>) -> Self {
        Self { context, frame, outer: None, depth: 0, state: RefCell::default() }
    }

    /// A tensor of the file.
    pub(super) fn tensor(&self, proto: &TensorProto) -> Result<Tensor> {
        tensor_from_proto(proto, Some(self.context.files)).map(|tensor| self.held(tensor))
    }

    /// The graph's initializer `index`: only the outermost graph's may have been left in the file.
    fn initializer(&self, index: usize, proto: &TensorProto) -> Result<Tensor> {
        let Context { files, weights, .. } = self.context;
        let outermost = (self.depth == 0).then_some(weights);
        match outermost.and_then(|weights| weights.tensor(index, proto, *files)) {
            Some(tensor) => tensor.map(|tensor| self.held(tensor)),
            None => self.tensor(proto),
        }
    }

    /// Takes note of a tensor for what may be folded.
    fn held(&self, tensor: Tensor) -> Tensor {
        self.context.folding.hold(&tensor);
        tensor
    }

    /// The graph with its passes done.
    pub(super) fn graph(self, proto: GraphProto) -> Result<Graph> {
        self.import(&proto)?;
        // The passes need memory, and nothing of the file any more.
        drop(proto);
        let mut graph = self.state.into_inner().graph;
        passes::run(&mut graph, passes::Place::Model, &self.context.folding, self.context.tuning)?;
        Ok(graph)
    }

    /// A planned subgraph of a node in `frame`; `captures` collects what the node must take beyond its
    /// `formal` inputs.
    pub(super) fn subgraph(
        &self,
        proto: &GraphProto,
        frame: &Frame<'_>,
        formal: usize,
        captures: &mut Captures,
    ) -> Result<Subgraph> {
        if self.depth >= MAX_DEPTH {
            return Err(OpError::invalid(format!("graphs lie more than {MAX_DEPTH} deep in graphs")));
        }
        let inner = Importer {
            context: self.context,
            frame,
            outer: Some(self),
            depth: self.depth + 1,
            state: RefCell::default(),
        };
        inner.import(proto)?;
        let mut state = inner.state.into_inner();
        let formal_inputs = state.graph.inputs.len() - state.captured.len();
        // A node with a graph inside runs on the host, wherever the model does.
        let tuning = Tuning { target: Target::Cpu, ..self.context.tuning };
        passes::run(&mut state.graph, passes::Place::Node, &self.context.folding, tuning)?;
        let outputs = state.graph.outputs.iter().map(|&id| state.graph.fact(id).clone()).collect();
        let plan = Arc::new(Plan::new(state.graph)?);
        let captures = state.captured.into_iter().map(|name| formal + captures.place(name)).collect();
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
            self.node(node, index, &declared, self.frame).map_err(|error| error.at(place(node, index)))?;
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
        for (index, tensor) in proto.initializer.iter().enumerate() {
            let value = Value::Tensor(self.initializer(index, tensor)?);
            self.define(&tensor.name, Fact::of_constant(&value))?;
        }
        Ok(())
    }

    /// Adds a node, or what it stands for where it calls a function.
    pub(super) fn node(
        &self,
        proto: &NodeProto,
        index: usize,
        declared: &Declared<'_>,
        frame: &Frame<'_>,
    ) -> Result<()> {
        let place = frame.place(proto, index);
        let defined =
            Domain::parse(&proto.domain).and_then(|domain| ops::find_function(domain, &proto.op_type));
        if let Some(function) = defined {
            return self.function(function, proto, &place, declared, frame);
        }
        match (operator(proto, frame), self.context.functions.get(proto)) {
            (Ok((def, opset)), _) => self.operator(def, opset, proto, &place, declared, frame),
            (Err(_), Some(function)) => {
                let inputs = self.inputs(proto)?;
                let body = frame.enter(&self.context.functions, function, proto, index)?;
                self.call(function, proto, &inputs, declared, &body)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// A node of an operator that is defined by others, as the nodes of its body.
    fn function(
        &self,
        function: &FunctionDef,
        proto: &NodeProto,
        place: &str,
        declared: &Declared<'_>,
        frame: &Frame<'_>,
    ) -> Result<()> {
        let inputs = self.inputs(proto)?;
        let captures = RefCell::default();
        let node = NodeDef { proto, opset: BODY_OPSET, frame, importer: self, inputs: &inputs, captures };
        let mut body = Body::new(proto);
        (function.expand)(&node, &mut body)?;
        for step in body.steps {
            match step {
                Step::Node(inner) => {
                    let domain = Domain::parse(&inner.domain).unwrap_or(Domain::Onnx);
                    let opset = if domain == Domain::Onnx { BODY_OPSET } else { domain.newest() };
                    let def = definition(domain, opset, &inner.op_type)?;
                    self.operator(def, opset, &inner, place, declared, frame)?;
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
        def: &OpDef,
        opset: u32,
        proto: &NodeProto,
        place: &str,
        declared: &Declared<'_>,
        frame: &Frame<'_>,
    ) -> Result<()> {
        let mut inputs = self.inputs(proto)?;
        let node =
            NodeDef { proto, opset, frame, importer: self, inputs: &inputs, captures: RefCell::default() };
        if let Some(missing) = (0..ops::required_inputs(&proto.op_type, opset)).find(|&i| !node.has_input(i))
        {
            return Err(OpError::invalid(format!("input {missing} is missing")));
        }
        let op = (def.parse)(&node)?;
        for name in node.captures.into_inner().into_names() {
            inputs.push(Some(self.resolve(&name)?));
        }
        let outputs = proto.output.iter().map(|name| self.output(name, declared)).collect::<Result<_>>()?;
        let node = Node { name: place.to_owned(), op_type: def.name, op, inputs, outputs };
        self.state.borrow_mut().graph.nodes.push(node);
        Ok(())
    }

    fn inputs(&self, proto: &NodeProto) -> Result<Vec<Option<ValueId>>> {
        proto.input.iter().map(|name| self.resolve_optional(name)).collect()
    }

    pub(super) fn output(&self, name: &str, declared: &Declared<'_>) -> Result<Option<ValueId>> {
        if name.is_empty() {
            return Ok(None);
        }
        self.define(name, declared_fact(name, declared)?).map(Some)
    }

    fn resolve_optional(&self, name: &str) -> Result<Option<ValueId>> {
        if name.is_empty() { Ok(None) } else { self.bound(name).map(Binding::value) }
    }

    pub(super) fn resolve(&self, name: &str) -> Result<ValueId> {
        let left_out = || OpError::invalid(format!("value '{name}' is left out by the function's caller"));
        self.bound(name)?.value().ok_or_else(left_out)
    }

    /// What a name stands for here; one from around this graph becomes an input or a constant of it.
    fn bound(&self, name: &str) -> Result<Binding> {
        if let Some(binding) = self.state.borrow().scopes.get(name) {
            return Ok(binding);
        }
        let outer = self.outer.filter(|_| self.state.borrow().scopes.is_open());
        match outer.map(|outer| outer.find(name)).transpose()?.flatten() {
            Some(Found::Constant(value)) => self.define(name, Fact::of_constant(&value)).map(Binding::Value),
            Some(Found::Outside(fact)) => {
                let id = self.define(name, fact)?;
                let mut state = self.state.borrow_mut();
                state.graph.inputs.push(id);
                state.captured.push(name.to_owned());
                Ok(Binding::Value(id))
            }
            Some(Found::LeftOut) => Ok(Binding::LeftOut),
            None => Err(OpError::invalid(format!("value '{name}' is used but never made"))),
        }
    }

    /// What a graph inside this one finds under a name.
    fn find(&self, name: &str) -> Result<Option<Found>> {
        let state = self.state.borrow();
        match state.scopes.get(name) {
            Some(Binding::Value(id)) => {
                let fact = state.graph.fact(id);
                let found =
                    fact.constant.clone().map_or_else(|| Found::Outside(fact.clone()), Found::Constant);
                Ok(Some(found))
            }
            Some(Binding::LeftOut) => Ok(Some(Found::LeftOut)),
            None if state.scopes.is_open() => self.outer.map_or(Ok(None), |outer| outer.find(name)),
            None => Ok(None),
        }
    }

    /// What is known of the value of a name so far.
    pub(super) fn fact(&self, name: &str) -> Result<Fact> {
        Ok(match self.find(name)? {
            Some(Found::Constant(value)) => Fact::of_constant(&value),
            Some(Found::Outside(fact)) => fact,
            Some(Found::LeftOut) | None => Fact::default(),
        })
    }

    fn define(&self, name: &str, fact: Fact) -> Result<ValueId> {
        let mut state = self.state.borrow_mut();
        let id = state.graph.add_value(ValueInfo { name: name.to_owned(), fact });
        bind(&mut state, name, id).map(|()| id)
    }
}

/// Gives a value a name in the innermost scope.
pub(super) fn bind(state: &mut State, name: &str, id: ValueId) -> Result<()> {
    if state.scopes.innermost().define(name, Binding::Value(id)) {
        return Ok(());
    }
    Err(OpError::invalid(format!("value '{name}' is made twice")))
}

/// The operator of a node and the version that it is read by.
fn operator(proto: &NodeProto, frame: &Frame<'_>) -> Result<(&'static OpDef, u32)> {
    let domain = Domain::parse(&proto.domain).ok_or_else(|| {
        OpError::unsupported(format!("domain '{}' of operator {} is unknown", proto.domain, proto.op_type))
    })?;
    let name = domain.name();
    let opset = *frame
        .opsets
        .get(&domain)
        .ok_or_else(|| OpError::invalid(format!("the model imports no operator set of domain {name}")))?;
    let def = definition(domain, opset, &proto.op_type)?;
    Ok((def, opset))
}

/// The operator of this name, read by this version.
fn definition(domain: Domain, opset: u32, op_type: &str) -> Result<&'static OpDef> {
    ops::find(domain, op_type).filter(|def| def.since <= opset).ok_or_else(|| {
        let domain = domain.name();
        OpError::unsupported(format!("operator {op_type} of {domain} opset {opset} is not supported"))
    })
}

pub(super) fn declared_fact(name: &str, declared: &Declared<'_>) -> Result<Fact> {
    declared.get(name).map_or_else(|| Ok(Fact::default()), |info| types::fact(name, info.r#type.as_ref()))
}

fn declared(proto: &GraphProto) -> Declared<'_> {
    proto.value_info.iter().chain(&proto.output).map(|info| (info.name.as_str(), info)).collect()
}
