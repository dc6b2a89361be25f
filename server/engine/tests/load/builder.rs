//! Builds small ONNX models, malformed ones too: nothing is checked here.

use bytes::Bytes;
use girandole_proto::onnx::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};
use prost::Message;

/// A model in the making. It imports opset 21 of ONNX and 3 of ONNX-ML unless told otherwise.
#[derive(Clone, Default)]
pub(crate) struct OnnxBuilder {
    graph: GraphProto,
    opsets: Vec<OperatorSetIdProto>,
    functions: Vec<FunctionProto>,
}

impl OnnxBuilder {
    pub(crate) fn new() -> Self {
        Self::default().opset("", 21).opset("ai.onnx.ml", 3)
    }

    pub(crate) fn opset(mut self, domain: &str, version: i64) -> Self {
        self.opsets.retain(|set| set.domain != domain);
        self.opsets.push(OperatorSetIdProto { domain: domain.into(), version });
        self
    }

    /// A dimension of -1 is free and named `N`.
    pub(crate) fn input(mut self, name: &str, elem: DataType, dims: &[i64]) -> Self {
        self.graph.input.push(declaration(name, elem, dims));
        self
    }

    pub(crate) fn constant(mut self, name: &str, tensor: TensorProto) -> Self {
        self.graph.initializer.push(TensorProto { name: name.into(), ..tensor });
        self
    }

    pub(crate) fn node(mut self, node: Node) -> Self {
        self.graph.node.push(node.0);
        self
    }

    pub(crate) fn outputs(mut self, names: &str) -> Self {
        let outputs = names.split_whitespace();
        self.graph
            .output
            .extend(outputs.map(|name| ValueInfoProto { name: name.into(), ..Default::default() }));
        self
    }

    /// A function of domain `own` whose body is `body`'s nodes, by its operator sets.
    pub(crate) fn function(mut self, name: &str, inputs: &str, outputs: &str, body: Self) -> Self {
        let names = |all: &str| all.split_whitespace().map(str::to_owned).collect();
        self.functions.push(FunctionProto {
            name: name.into(),
            domain: "own".into(),
            input: names(inputs),
            output: names(outputs),
            node: body.graph.node,
            opset_import: body.opsets,
            ..Default::default()
        });
        self
    }

    /// The same without nodes, values and outputs.
    pub(crate) fn emptied(self) -> Self {
        Self { graph: GraphProto::default(), ..self }
    }

    pub(crate) fn graph(self) -> GraphProto {
        self.graph
    }

    pub(crate) fn model(self) -> ModelProto {
        ModelProto {
            ir_version: 10,
            opset_import: self.opsets,
            graph: Some(self.graph),
            functions: self.functions,
            ..Default::default()
        }
    }

    pub(crate) fn bytes(self) -> Bytes {
        self.model().encode_to_vec().into()
    }
}

/// A node in the making.
pub(crate) struct Node(NodeProto);

/// A node that takes and makes the values named in `inputs` and `outputs`; `-` is one left out.
pub(crate) fn node(op: &str, inputs: &str, outputs: &str) -> Node {
    let names = |all: &str| all.split_whitespace().map(|name| name.replace('-', "")).collect();
    Node(NodeProto { op_type: op.into(), input: names(inputs), output: names(outputs), ..Default::default() })
}

impl From<NodeProto> for Node {
    fn from(node: NodeProto) -> Self {
        Self(node)
    }
}

impl Node {
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.0.name = name.into();
        self
    }

    pub(crate) fn domain(mut self, domain: &str) -> Self {
        self.0.domain = domain.into();
        self
    }

    /// An attribute of a function's node that is the call's attribute `of`.
    pub(crate) fn with_callers(mut self, name: &str, of: &str, kind: AttributeType) -> Self {
        let (name, ref_attr_name) = (name.into(), of.into());
        self.0.attribute.push(AttributeProto {
            name,
            ref_attr_name,
            r#type: kind as i32,
            ..Default::default()
        });
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.0.attribute.push(AttributeProto { name: name.into(), ..value.into().0 });
        self
    }
}

/// An attribute's value.
pub(crate) struct Attribute(AttributeProto);

macro_rules! attribute {
    ($($type:ty => $kind:ident, $value:ident, $field:ident: $made:expr;)*) => {$(
        impl From<$type> for Attribute {
            fn from($value: $type) -> Self {
                let r#type = AttributeType::$kind as i32;
                Self(AttributeProto { r#type, $field: $made, ..Default::default() })
            }
        }
    )*};
}

attribute! {
    i64 => Int, value, i: value;
    f32 => Float, value, f: value;
    &str => String, value, s: Bytes::copy_from_slice(value.as_bytes());
    Vec<i64> => Ints, value, ints: value;
    Vec<f32> => Floats, value, floats: value;
    Vec<&str> => Strings, value, strings: value.iter().map(|s| Bytes::copy_from_slice(s.as_bytes())).collect();
    TensorProto => Tensor, value, t: Some(value);
    GraphProto => Graph, value, g: Some(value);
}

pub(crate) fn floats(dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto { float_data: values.to_vec(), ..tensor(DataType::Float, dims) }
}

pub(crate) fn ints(dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto { int64_data: values.to_vec(), ..tensor(DataType::Int64, dims) }
}

pub(crate) fn bool(value: bool) -> TensorProto {
    TensorProto { int32_data: vec![value.into()], ..tensor(DataType::Bool, &[]) }
}

pub(crate) fn tensor(elem: DataType, dims: &[i64]) -> TensorProto {
    TensorProto { data_type: elem as i32, dims: dims.to_vec(), ..Default::default() }
}

fn declaration(name: &str, elem: DataType, dims: &[i64]) -> ValueInfoProto {
    let dims = dims.iter().map(|&dim| match dim {
        -1 => dimension::Value::DimParam("N".into()),
        size => dimension::Value::DimValue(size),
    });
    let dim = dims.map(|value| Dimension { value: Some(value), ..Default::default() }).collect();
    let shape = Some(TensorShapeProto { dim });
    let value = type_proto::Value::TensorType(type_proto::Tensor { elem_type: elem as i32, shape });
    let r#type = Some(TypeProto { value: Some(value), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type }
}
