//! A graph of ONNX operators in the making, over the tensors of a model's files.
//!
//! Invariants: every initializer is a tensor of the files, of the shape that was asked for; once it is finished, every
//! tensor of the files is an initializer, or one that no answer depends on.

use std::collections::{BTreeMap, BTreeSet};

use girandole_core::{Files, Shape};
use girandole_proto::onnx::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use crate::{
    error::{OpError, Result},
    onnx::Weights,
    ops::function::{float, int, ints},
    passes::half_of,
    safetensors::{Catalog, Layout},
    value::{ElemType, Tensor},
};

/// Ends of names of what PyTorch saves beside weights: tables of numbers that everybody knows, and counts.
const BUFFERS: [&str; 3] = ["position_ids", "token_type_ids", "num_batches_tracked"];

/// The most names of a message.
const MOST_NAMES: usize = 5;

/// A value of the graph.
#[derive(Clone, Debug)]
pub(super) struct Value(String);

/// The size of a dimension.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// Any; where it has this name it is the same.
    Free(&'static str),
    Fixed(usize),
}

/// See the module.
pub(super) struct Network<'c> {
    catalog: &'c Catalog,
    /// What is built, for messages.
    name: String,
    graph: GraphProto,
    stored: Vec<(String, Layout)>,
    taken: BTreeMap<String, Value>,
    /// Beginnings of names of tensors that may be left over.
    spare: Vec<String>,
    /// The module whose nodes are made.
    module: String,
    made: usize,
}

impl<'c> Network<'c> {
    pub(super) fn new(catalog: &'c Catalog, name: &str) -> Self {
        Self {
            catalog,
            name: name.to_owned(),
            graph: GraphProto::default(),
            stored: Vec::new(),
            taken: BTreeMap::new(),
            spare: Vec::new(),
            module: String::new(),
            made: 0,
        }
    }

    /// Names the module that the nodes after this are of, for messages.
    pub(super) fn enter(&mut self, module: &str) {
        module.clone_into(&mut self.module);
    }

    pub(super) fn input(&mut self, name: &str, elem: DataType, shape: &[Size]) -> Value {
        let dims = shape.iter().map(|size| match *size {
            Size::Free(name) => dimension::Value::DimParam(name.to_owned()),
            Size::Fixed(size) => dimension::Value::DimValue(signed(size)),
        });
        let dim = dims.map(|value| Dimension { value: Some(value), ..Dimension::default() }).collect();
        let tensor = type_proto::Tensor { elem_type: elem as i32, shape: Some(TensorShapeProto { dim }) };
        let declared =
            TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        self.graph.input.push(ValueInfoProto { name: name.to_owned(), r#type: Some(declared) });
        Value(name.to_owned())
    }

    /// Hands a value out under a name.
    pub(super) fn output(&mut self, name: &str, value: &Value) {
        self.push("Identity", &[value], Vec::new(), vec![name.to_owned()]);
        self.graph.output.push(ValueInfoProto { name: name.to_owned(), ..ValueInfoProto::default() });
    }

    /// The value that an operator makes.
    pub(super) fn call(&mut self, op: &str, inputs: &[&Value]) -> Value {
        self.call_with(op, inputs, Vec::new())
    }

    /// As [`Self::call`], with attributes.
    pub(super) fn call_with(
        &mut self,
        op: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let made = self.fresh();
        self.push(op, inputs, attributes, vec![made.clone()]);
        Value(made)
    }

    /// As [`Self::call_with`], of an operator of several outputs.
    pub(super) fn many(
        &mut self,
        op: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<Value> {
        let made: Vec<String> = (0..outputs).map(|_| self.fresh()).collect();
        self.push(op, inputs, attributes, made.clone());
        made.into_iter().map(Value).collect()
    }

    /// Integers, as a vector.
    pub(super) fn ints(&mut self, values: &[i64]) -> Value {
        self.call_with("Constant", &[], vec![ints("value_ints", values)])
    }

    /// An integer, as a scalar.
    pub(super) fn int(&mut self, value: i64) -> Value {
        self.call_with("Constant", &[], vec![int("value_int", value)])
    }

    /// A number, as a scalar.
    pub(super) fn float(&mut self, value: f32) -> Value {
        self.call_with("Constant", &[], vec![float("value_float", value)])
    }

    /// The shape of a tensor, where there is one of this name.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.catalog.shape(name)
    }

    /// The shape of a tensor that the configuration names.
    ///
    /// # Errors
    /// `Invalid` where it is missing.
    pub(super) fn named(&self, name: &str) -> Result<&[usize]> {
        let missing = || OpError::invalid(format!("tensor '{name}' is missing, which config.json names"));
        self.shape(name).ok_or_else(missing)
    }

    /// A tensor of this name and shape.
    ///
    /// # Errors
    /// `Invalid` where it is missing or has another shape.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        self.stored(name, shape, Layout::AsStored)
    }

    /// A matrix of this name and shape, with rows and columns exchanged.
    ///
    /// # Errors
    /// As [`Self::weight`].
    pub(super) fn transposed(&mut self, name: &str, shape: [usize; 2]) -> Result<Value> {
        self.stored(name, &shape, Layout::Transposed)
    }

    fn stored(&mut self, name: &str, shape: &[usize], layout: Layout) -> Result<Value> {
        let expected = Shape::new(shape);
        match self.catalog.shape(name) {
            Some(found) if found == shape => {}
            Some(found) => {
                let found = Shape::new(found);
                return Err(OpError::invalid(format!(
                    "tensor '{name}' has shape {found}, expected {expected} by config.json"
                )));
            }
            None => {
                return Err(OpError::invalid(format!(
                    "tensor '{name}' of shape {expected} is missing: {} has it as config.json describes it",
                    self.name
                )));
            }
        }
        let value = format!("{name}{}", if layout == Layout::Transposed { ".T" } else { "" });
        if let Some(value) = self.taken.get(&value) {
            return Ok(value.clone());
        }
        let mut dims: Vec<i64> = shape.iter().map(|&size| signed(size)).collect();
        if layout == Layout::Transposed {
            dims.reverse();
        }
        let data_type = DataType::Float as i32;
        self.graph.initializer.push(TensorProto {
            name: value.clone(),
            dims,
            data_type,
            ..Default::default()
        });
        self.stored.push((name.to_owned(), layout));
        self.taken.insert(value.clone(), Value(value.clone()));
        Ok(Value(value))
    }

    /// Says that tensors whose names begin so may be left over: another use of the same model needs them.
    pub(super) fn spare(&mut self, beginning: impl Into<String>) {
        self.spare.push(beginning.into());
    }

    /// The graph, and where its initializers come from.
    ///
    /// # Errors
    /// `Invalid` naming tensors that are left over.
    pub(super) fn finish(self) -> Result<(GraphProto, Stored<'c>)> {
        let taken: BTreeSet<&str> = self.stored.iter().map(|(name, _)| name.as_str()).collect();
        let spare = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            BUFFERS.contains(&last) || self.spare.iter().any(|beginning| name.starts_with(beginning))
        };
        let left: Vec<_> =
            self.catalog.names().filter(|name| !taken.contains(name) && !spare(name)).collect();
        if left.is_empty() {
            return Ok((self.graph, Stored { catalog: self.catalog, stored: self.stored }));
        }
        let some: Vec<_> = left.iter().take(MOST_NAMES).map(|name| format!("'{name}'")).collect();
        let more = if left.len() > MOST_NAMES { ", ..." } else { "" };
        Err(OpError::invalid(format!(
            "not part of {} as config.json describes it (tensors left over: {}): {}{more}; save the model without them, \
             or say in config.json what it is",
            self.name,
            left.len(),
            some.join(", ")
        )))
    }

    fn push(&mut self, op: &str, inputs: &[&Value], attribute: Vec<AttributeProto>, output: Vec<String>) {
        self.graph.node.push(NodeProto {
            op_type: op.to_owned(),
            name: self.module.clone(),
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output,
            attribute,
            ..NodeProto::default()
        });
    }

    /// A name that no tensor has: it begins with a character that nobody writes.
    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("\0{}", self.made)
    }
}

/// A size as files have it; none is so large that it has no such number.
pub(super) fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The initializers of a graph, in its order.
pub(super) struct Stored<'c> {
    catalog: &'c Catalog,
    stored: Vec<(String, Layout)>,
}

impl Stored<'_> {
    /// The type of most of the numbers in the files, where that is f16 or bf16.
    pub(super) fn half(&self) -> Option<ElemType> {
        half_of(self.stored.iter().filter_map(|(name, _)| self.catalog.floats(name)))
    }
}

impl Weights for Stored<'_> {
    fn tensor(&self, index: usize, _proto: &TensorProto, _files: &dyn Files) -> Option<Result<Tensor>> {
        let (name, layout) = self.stored.get(index)?;
        Some(self.catalog.read(name, *layout))
    }
}
