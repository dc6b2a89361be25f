//! A node as an operator's `parse` sees it: typed attributes, the operator-set version, its subgraphs.

use girandole_proto::onnx::{AttributeProto, NodeProto, attribute_proto::AttributeType};

use super::{
    functions::Frame,
    import::{Importer, Subgraph},
    scope::Captures,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, ValueId},
    value::{ElemType, Tensor},
};

/// A node of the file, for an operator to parse.
pub struct NodeDef<'a> {
    pub(super) proto: &'a NodeProto,
    pub(super) opset: u32,
    pub(super) frame: &'a Frame<'a>,
    pub(super) importer: &'a Importer<'a>,
    /// The node's inputs, those left out as `None`.
    pub(super) inputs: &'a [Option<ValueId>],
    pub(super) captures: std::cell::RefCell<Captures>,
}

impl<'a> NodeDef<'a> {
    /// The version of the node's operator set.
    pub const fn opset(&self) -> u32 {
        self.opset
    }

    /// The operator's name.
    pub fn op_type(&self) -> &str {
        &self.proto.op_type
    }

    /// Number of inputs that the node names, those left out in between included.
    pub fn input_count(&self) -> usize {
        self.proto.input.len()
    }

    /// Number of outputs that the node names.
    pub fn output_count(&self) -> usize {
        self.proto.output.len()
    }

    /// Whether input `i` is given.
    pub fn has_input(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }

    /// Whether output `i` is asked for.
    pub fn has_output(&self, i: usize) -> bool {
        self.proto.output.get(i).is_some_and(|name| !name.is_empty())
    }

    /// What is known of input `i` so far: contents where the model fixes them, else what it declares.
    ///
    /// # Errors
    /// Where the value cannot be looked up.
    pub fn input_fact(&self, i: usize) -> Result<Fact> {
        match self.proto.input.get(i).filter(|name| !name.is_empty()) {
            Some(name) => self.importer.fact(name),
            None => Ok(Fact::default()),
        }
    }

    /// The element type of input `i`, where it is known.
    ///
    /// # Errors
    /// As [`Self::input_fact`].
    pub fn input_elem(&self, i: usize) -> Result<Option<ElemType>> {
        Ok(self.input_fact(i)?.elem)
    }

    /// Whether the attribute is given.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// An integer attribute.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.typed(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    /// An integer attribute or its default.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// An integer attribute that is 0 or 1.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.int(name)?.map_or(default, |value| value != 0))
    }

    /// A float attribute.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn float(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.typed(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    /// A float attribute or its default.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn float_or(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    /// A string attribute.
    ///
    /// # Errors
    /// `Invalid` where it has another type or is not UTF-8.
    pub fn string(&self, name: &str) -> Result<Option<&'a str>> {
        self.typed(name, AttributeType::String)?.map(|attribute| utf8(name, &attribute.s)).transpose()
    }

    /// A string attribute or its default.
    ///
    /// # Errors
    /// `Invalid` where it has another type or is not UTF-8.
    pub fn string_or(&self, name: &str, default: &'static str) -> Result<&'a str> {
        Ok(self.string(name)?.unwrap_or(default))
    }

    /// A list of integers.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        Ok(self.typed(name, AttributeType::Ints)?.map(|attribute| attribute.ints.clone()))
    }

    /// A list of floats.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>> {
        Ok(self.typed(name, AttributeType::Floats)?.map(|attribute| attribute.floats.clone()))
    }

    /// A list of strings, as bytes.
    ///
    /// # Errors
    /// `Invalid` where it has another type.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<crate::value::Text>>> {
        Ok(self.typed(name, AttributeType::Strings)?.map(|attribute| attribute.strings.clone()))
    }

    /// A list of strings.
    ///
    /// # Errors
    /// `Invalid` where it has another type or is not UTF-8.
    pub fn strings(&self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(attribute) = self.typed(name, AttributeType::Strings)? else { return Ok(None) };
        attribute.strings.iter().map(|s| utf8(name, s).map(str::to_owned)).collect::<Result<_>>().map(Some)
    }

    /// A tensor.
    ///
    /// # Errors
    /// `Invalid` where it has another type or is malformed.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(attribute) = self.typed(name, AttributeType::Tensor)? else { return Ok(None) };
        attribute.t.as_ref().map(|proto| self.importer.tensor(proto)).transpose()
    }

    /// A required integer attribute.
    ///
    /// # Errors
    /// `Invalid` where it is missing or has another type.
    pub fn required_int(&self, name: &str) -> Result<i64> {
        self.int(name)?.ok_or_else(|| missing(name))
    }

    /// A required string attribute.
    ///
    /// # Errors
    /// `Invalid` where it is missing or has another type.
    pub fn required_string(&self, name: &str) -> Result<&'a str> {
        self.string(name)?.ok_or_else(|| missing(name))
    }

    /// A required subgraph, imported and planned. The outer values that it uses are appended to the node's
    /// inputs; [`Subgraph::captures`] says which of the node's inputs they are.
    ///
    /// # Errors
    /// `Invalid` where it is missing or cannot be imported.
    pub fn subgraph(&self, name: &str) -> Result<Subgraph> {
        let attribute = self.typed(name, AttributeType::Graph)?.ok_or_else(|| missing(name))?;
        let proto = attribute.g.as_ref().ok_or_else(|| missing(name))?;
        let mut captures = self.captures.borrow_mut();
        self.importer.subgraph(proto, self.frame, self.proto.input.len(), &mut captures)
    }

    fn typed(&self, name: &str, expected: AttributeType) -> Result<Option<&'a AttributeProto>> {
        let Some(attribute) = self.find(name) else { return Ok(None) };
        // Files of the first IR versions leave the type out.
        if attribute.r#type == expected as i32 || attribute.r#type == AttributeType::Undefined as i32 {
            return Ok(Some(attribute));
        }
        let came = AttributeType::try_from(attribute.r#type).map_or("an unknown type", |t| t.as_str_name());
        Err(OpError::invalid(format!("attribute '{name}' must be {}, got {came}", expected.as_str_name())))
    }

    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        let own = self.proto.attribute.iter().find(|attribute| attribute.name == name)?;
        self.frame.attribute(own)
    }
}

fn missing(name: &str) -> OpError {
    OpError::invalid(format!("attribute '{name}' is missing"))
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| OpError::invalid(format!("attribute '{name}' is not UTF-8")))
}
