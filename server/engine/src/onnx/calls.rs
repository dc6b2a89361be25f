//! Calls of a file's functions: the body takes the place of the node that calls it.

use std::collections::HashSet;

use girandole_proto::onnx::{FunctionProto, NodeProto};

use super::{
    functions::{Frame, Function},
    import::{Declared, Importer, bind, declared_fact},
    order::{execution_order, place},
    scope::{Binding, Scope},
};
use crate::{
    error::{OpError, Result},
    graph::{Node, ValueId},
    ops::tensor::identity::Identity,
};

impl Importer<'_> {
    /// Puts the body of a function in the place of the node that calls it.
    pub(super) fn call(
        &self,
        function: &Function<'_>,
        caller: &NodeProto,
        inputs: &[Option<ValueId>],
        declared: &Declared<'_>,
        frame: &Frame<'_>,
    ) -> Result<()> {
        let proto = function.proto;
        if inputs.len() > proto.input.len() || caller.output.len() > proto.output.len() {
            return Err(OpError::invalid(format!(
                "function {} takes {} inputs and gives {} outputs",
                function.name(),
                proto.input.len(),
                proto.output.len()
            )));
        }
        let mut scope = Scope::default();
        for (i, name) in proto.input.iter().enumerate() {
            let binding = inputs.get(i).copied().flatten().map_or(Binding::LeftOut, Binding::Value);
            if !scope.define(name, binding) {
                return Err(OpError::invalid(format!(
                    "function {} names input '{name}' twice",
                    function.name()
                )));
            }
        }
        let first = self.state.borrow().graph.values.len();
        self.state.borrow_mut().scopes.enter(scope);
        let made = self.body(proto, frame);
        self.state.borrow_mut().scopes.leave();
        let made = made.map_err(|error| error.of(format_args!("function {}", function.name())))?;
        let outputs = caller.output.iter().zip(made).filter(|(name, _)| !name.is_empty());
        let mut renamed = HashSet::new();
        for (name, id) in outputs {
            let own = id.index() >= first && renamed.insert(id);
            self.hand_out(name, id, own, declared)?;
        }
        Ok(())
    }

    /// Imports the nodes of a function's body; gives its outputs.
    fn body(&self, proto: &FunctionProto, frame: &Frame<'_>) -> Result<Vec<ValueId>> {
        let declared = proto.value_info.iter().map(|info| (info.name.as_str(), info)).collect();
        for index in execution_order(&proto.node)? {
            let node = &proto.node[index];
            self.node(node, index, &declared, frame).map_err(|error| error.at(place(node, index)))?;
        }
        proto.output.iter().map(|name| self.resolve(name)).collect()
    }

    /// Gives a value that a body made the caller's name; what is the caller's already goes through a node.
    fn hand_out(&self, name: &str, id: ValueId, own: bool, declared: &Declared<'_>) -> Result<()> {
        if !own {
            let copy = self.output(name, declared)?;
            let op = Box::new(Identity);
            let node = Node {
                name: name.to_owned(),
                op_type: "Identity",
                op,
                inputs: vec![Some(id)],
                outputs: vec![copy],
            };
            self.state.borrow_mut().graph.nodes.push(node);
            return Ok(());
        }
        let fact = declared_fact(name, declared)?;
        let mut state = self.state.borrow_mut();
        let info = &mut state.graph.values[id.index()];
        name.clone_into(&mut info.name);
        info.fact = std::mem::take(&mut info.fact).or(&fact);
        bind(&mut state, name, id)
    }
}
