//! Operators that are defined by others: each is written as a body of nodes when the model is imported, so
//! that inference, folding and fusion see what they know.

use girandole_proto::onnx::{AttributeProto, NodeProto, attribute_proto::AttributeType};

use super::{Domain, Op};
use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    value::ElemType,
};

/// The operator set by which the nodes of bodies are read.
pub const BODY_OPSET: u32 = 23;

/// An entry of the table of operators that are defined by others.
#[derive(Debug)]
pub struct FunctionDef {
    /// Its domain.
    pub domain: Domain,
    /// Its name in model files.
    pub name: &'static str,
    /// Writes the body of a node.
    pub expand: fn(&NodeDef<'_>, &mut Body<'_>) -> Result<()>,
}

impl FunctionDef {
    /// A function of ONNX Runtime's own domain.
    pub const fn microsoft(
        name: &'static str,
        expand: fn(&NodeDef<'_>, &mut Body<'_>) -> Result<()>,
    ) -> Self {
        Self { domain: Domain::Microsoft, name, expand }
    }
}

/// A node of a body.
pub(crate) enum Step {
    /// One of a model's operators.
    Node(NodeProto),
    /// One of the engine's own: its name for messages, inputs and output.
    Own(&'static str, Box<dyn Op>, Vec<String>, String),
}

/// The nodes that stand for one. Values go by name; an empty name is an optional input that is left out.
pub struct Body<'n> {
    node: &'n NodeProto,
    pub(crate) steps: Vec<Step>,
    made: usize,
}

impl<'n> Body<'n> {
    pub(crate) const fn new(node: &'n NodeProto) -> Self {
        Self { node, steps: Vec::new(), made: 0 }
    }

    /// Input `i`; empty where it is left out.
    pub fn optional(&self, i: usize) -> String {
        self.node.input.get(i).cloned().unwrap_or_default()
    }

    /// Input `i`.
    ///
    /// # Errors
    /// `Invalid` where it is left out.
    pub fn input(&self, i: usize) -> Result<String> {
        Some(self.optional(i))
            .filter(|name| !name.is_empty())
            .ok_or_else(|| OpError::invalid(format!("input {i} is missing")))
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.input.len()
    }

    /// The value that an operator of ONNX makes.
    pub fn call(&mut self, op: &str, inputs: &[&str]) -> String {
        self.call_with(op, inputs, Vec::new())
    }

    /// As [`Self::call`], with attributes.
    pub fn call_with(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.many(op, inputs, attributes, 1).swap_remove(0)
    }

    /// As [`Self::call_with`], of an operator of several outputs.
    pub fn many(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<String> {
        let output: Vec<String> = (0..outputs).map(|_| self.name()).collect();
        self.push("", op, inputs, attribute, output.clone());
        output
    }

    /// The value that an operator of ONNX Runtime's makes.
    pub fn microsoft(&mut self, op: &str, inputs: &[&str]) -> String {
        let made = self.name();
        self.push(Domain::Microsoft.name(), op, inputs, Vec::new(), vec![made.clone()]);
        made
    }

    /// The value that an operator of the engine's own makes.
    pub fn own(&mut self, name: &'static str, op: impl Op + 'static, inputs: &[&str]) -> String {
        let made = self.name();
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        self.steps.push(Step::Own(name, Box::new(op), inputs, made.clone()));
        made
    }

    /// Says that output `i` of the node is this value.
    pub fn give(&mut self, i: usize, value: &str) {
        if let Some(output) = self.node.output.get(i).filter(|name| !name.is_empty()) {
            self.push("", "Identity", &[value], Vec::new(), vec![output.clone()]);
        }
    }

    /// Integers, as a vector.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.call_with("Constant", &[], vec![ints("value_ints", values)])
    }

    /// A number in the type of `like`, which is `elem` where that is known.
    pub fn number(&mut self, value: f32, like: &str, elem: Option<ElemType>) -> String {
        let constant = self.call_with("Constant", &[], vec![float("value_float", value)]);
        match elem {
            Some(ElemType::F32) => constant,
            _ => self.call("CastLike", &[&constant, like]),
        }
    }

    /// The node's attributes but for those named.
    pub fn attributes_but(&self, names: &[&str]) -> Vec<AttributeProto> {
        let all = self.node.attribute.iter();
        all.filter(|attribute| !names.contains(&attribute.name.as_str())).cloned().collect()
    }

    fn push(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        output: Vec<String>,
    ) {
        self.steps.push(Step::Node(NodeProto {
            op_type: op.to_owned(),
            domain: domain.to_owned(),
            name: format!("{} ({op} in {})", self.node.name, self.node.op_type),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output,
            attribute,
            ..NodeProto::default()
        }));
    }

    /// A name that no file has: it begins with a character that exporters do not write.
    fn name(&mut self) -> String {
        self.made += 1;
        let first = self.node.output.iter().find(|name| !name.is_empty());
        format!("\0{}.{}", first.map_or("", |name| name), self.made)
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: value, ..attribute(name, AttributeType::Int) }
}

/// A float attribute.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: value, ..attribute(name, AttributeType::Float) }
}

/// A string attribute.
pub fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.to_owned().into_bytes().into(), ..attribute(name, AttributeType::String) }
}

/// A list of integers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}
