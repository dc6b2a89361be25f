//! Small models, written node by node.

use girandole_core::Folder;
use girandole_proto::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};
use prost::Message;

use crate::{
    Target, Tuning, onnx,
    ops::function::{float, int, ints},
    plan::Plan,
};

/// Numbers of a hidden state.
pub(crate) const WIDTH: usize = 8;
/// Words that there are embeddings of.
pub(crate) const WORDS: usize = 20;

/// A model in the making.
#[derive(Default)]
pub(crate) struct Net {
    graph: GraphProto,
    made: usize,
}

impl Net {
    /// A model that takes `ids` and `mask`, each `[batch, sequence]`.
    pub(crate) fn of_words() -> Self {
        let mut net = Self::default();
        net.input("ids", DataType::Int64, &["batch", "sequence"]);
        net.input("mask", DataType::Int64, &["batch", "sequence"]);
        net
    }

    /// A dimension that is a number is fixed.
    pub(crate) fn input(&mut self, name: &str, elem: DataType, dims: &[&str]) {
        let value = |dim: &&str| match dim.parse() {
            Ok(size) => dimension::Value::DimValue(size),
            Err(_) => dimension::Value::DimParam((*dim).to_owned()),
        };
        let dim = dims.iter().map(|dim| Dimension { value: Some(value(dim)), ..Dimension::default() });
        let tensor = type_proto::Tensor {
            elem_type: elem as i32,
            shape: Some(TensorShapeProto { dim: dim.collect() }),
        };
        let value = Some(type_proto::Value::TensorType(tensor));
        self.graph.input.push(ValueInfoProto {
            name: name.to_owned(),
            r#type: Some(TypeProto { value, ..TypeProto::default() }),
        });
    }

    fn name(&mut self) -> String {
        self.made += 1;
        format!("v{}", self.made)
    }

    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = self.name();
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor });
        name
    }

    /// Numbers from -0.5 to 0.5.
    pub(crate) fn weights(&mut self, dims: &[usize]) -> String {
        let len: usize = dims.iter().product();
        let float_data = (0..len).map(|i| ((i * 37 + self.made * 11) % 101) as f32 / 101.0 - 0.5).collect();
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        self.constant(TensorProto {
            data_type: DataType::Float as i32,
            dims,
            float_data,
            ..Default::default()
        })
    }

    pub(crate) fn number(&mut self, value: f32) -> String {
        let float_data = vec![value];
        self.constant(TensorProto { data_type: DataType::Float as i32, float_data, ..Default::default() })
    }

    pub(crate) fn integer(&mut self, value: i64) -> String {
        let int64_data = vec![value];
        self.constant(TensorProto { data_type: DataType::Int64 as i32, int64_data, ..Default::default() })
    }

    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
        self.constant(TensorProto {
            data_type: DataType::Int64 as i32,
            dims,
            int64_data,
            ..Default::default()
        })
    }

    pub(crate) fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.op_with(op, inputs, Vec::new())
    }

    pub(crate) fn along(&mut self, op: &str, inputs: &[&str], axis: i64) -> String {
        self.op_with(op, inputs, vec![int("axis", axis)])
    }

    pub(crate) fn op_with(&mut self, op: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        self.many(op, inputs, attribute, 1).swap_remove(0)
    }

    pub(crate) fn many(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<String> {
        let output: Vec<String> = (0..outputs).map(|_| self.name()).collect();
        self.graph.node.push(NodeProto {
            name: format!("node {}", self.graph.node.len()),
            op_type: op.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: output.clone(),
            attribute,
            ..NodeProto::default()
        });
        output
    }

    /// The plan for a GPU, which the processor runs too.
    pub(crate) fn plan(mut self, outputs: &[&str]) -> Plan {
        let output = |name: &&str| ValueInfoProto { name: (*name).to_owned(), ..Default::default() };
        self.graph.output = outputs.iter().map(output).collect();
        let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![opset],
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        plan_of(&path)
    }
}

/// The plan for a GPU of a model's file.
pub(crate) fn plan_of(path: &std::path::Path) -> Plan {
    let tuning = Tuning { target: Target::Gpu, ..Tuning::default() };
    Plan::new(onnx::import_from(&Folder::of(path), tuning).unwrap().graph).unwrap()
}

/// What networks are made of.
impl Net {
    pub(crate) fn embedded(&mut self, ids: &str) -> String {
        let table = self.weights(&[WORDS, WIDTH]);
        self.op("Gather", &[&table, ids])
    }

    pub(crate) fn linear(&mut self, x: &str, from: usize, to: usize) -> String {
        let (weights, bias) = (self.weights(&[from, to]), self.weights(&[to]));
        let product = self.op("MatMul", &[x, &weights]);
        self.op("Add", &[&product, &bias])
    }

    pub(crate) fn norm(&mut self, x: &str) -> String {
        let (scale, bias) = (self.weights(&[WIDTH]), self.weights(&[WIDTH]));
        self.along("LayerNormalization", &[x, &scale, &bias], -1)
    }

    /// Two heads of half the width, as exporters write them.
    pub(crate) fn heads(&mut self, x: &str) -> String {
        let linear = self.linear(x, WIDTH, WIDTH);
        let shape = self.integers(&[0, -1, 2, WIDTH as i64 / 2]);
        let parted = self.op("Reshape", &[&linear, &shape]);
        self.op_with("Transpose", &[&parted], vec![ints("perm", &[0, 2, 1, 3])])
    }

    /// Attention of every place to every other, with `mask` put onto the scores.
    pub(crate) fn attention(&mut self, x: &str, masked: impl FnOnce(&mut Self, &str) -> String) -> String {
        let [q, k, v] = [0; 3].map(|_| self.heads(x));
        let turned = self.op_with("Transpose", &[&k], vec![ints("perm", &[0, 1, 3, 2])]);
        let scores = self.op("MatMul", &[&q, &turned]);
        let root = self.number(2.0);
        let scores = self.op("Div", &[&scores, &root]);
        let scores = masked(self, &scores);
        let weights = self.along("Softmax", &[&scores], -1);
        let context = self.op("MatMul", &[&weights, &v]);
        let joined = self.op_with("Transpose", &[&context], vec![ints("perm", &[0, 2, 1, 3])]);
        let shape = self.integers(&[0, -1, WIDTH as i64]);
        let joined = self.op("Reshape", &[&joined, &shape]);
        self.linear(&joined, WIDTH, WIDTH)
    }

    /// `mask` with axes for heads and for the places that look.
    pub(crate) fn wide_mask(&mut self, mask: &str) -> String {
        let axes = self.integers(&[1, 2]);
        self.op("Unsqueeze", &[mask, &axes])
    }

    /// What is added to scores: 0 where the mask is 1, and `low` where it is 0.
    pub(crate) fn additive(&mut self, mask: &str, low: f32) -> String {
        let wide = self.wide_mask(mask);
        let floats = self.op_with("Cast", &[&wide], vec![int("to", DataType::Float as i64)]);
        let (one, low) = (self.number(1.0), self.number(low));
        let rest = self.op("Sub", &[&one, &floats]);
        self.op("Mul", &[&rest, &low])
    }

    /// A layer of an encoder.
    pub(crate) fn layer(&mut self, x: &str, additive: &str) -> String {
        let attended = self.attention(x, |net, scores| net.op("Add", &[scores, additive]));
        let sum = self.op("Add", &[x, &attended]);
        let x = self.norm(&sum);
        let inner = self.linear(&x, WIDTH, 2 * WIDTH);
        let inner = self.gelu(&inner);
        let inner = self.linear(&inner, 2 * WIDTH, WIDTH);
        let sum = self.op("Add", &[&x, &inner]);
        self.norm(&sum)
    }

    fn gelu(&mut self, x: &str) -> String {
        let (root, one, half) = (self.number(std::f32::consts::SQRT_2), self.number(1.0), self.number(0.5));
        let inner = self.op("Div", &[x, &root]);
        let inner = self.op("Erf", &[&inner]);
        let inner = self.op("Add", &[&inner, &one]);
        let product = self.op("Mul", &[x, &inner]);
        self.op("Mul", &[&product, &half])
    }

    /// `[batch, sequence]` as floats with an axis behind.
    pub(crate) fn column(&mut self, mask: &str) -> String {
        let axes = self.integers(&[-1]);
        let wide = self.op("Unsqueeze", &[mask, &axes]);
        self.op_with("Cast", &[&wide], vec![int("to", DataType::Float as i64)])
    }

    /// The sum over places.
    pub(crate) fn summed(&mut self, x: &str) -> String {
        let axes = self.integers(&[1]);
        self.op_with("ReduceSum", &[x, &axes], vec![int("keepdims", 0)])
    }

    /// The mean over the places whose mask is 1.
    pub(crate) fn mean(&mut self, x: &str, mask: &str) -> String {
        let column = self.column(mask);
        let kept = self.op("Mul", &[x, &column]);
        let (sum, count) = (self.summed(&kept), self.summed(&column));
        let least = self.number(1e-9);
        let count = self.op("Clip", &[&count, &least]);
        self.op("Div", &[&sum, &count])
    }

    /// The length of `x` along axis 1, as a vector of one.
    pub(crate) fn length(&mut self, x: &str) -> String {
        let shape = self.op("Shape", &[x]);
        let place = self.integers(&[1]);
        self.op("Gather", &[&shape, &place])
    }

    /// A slice of axis 1.
    pub(crate) fn slice(&mut self, x: &str, start: i64, end: i64, step: i64) -> String {
        let [start, end, axis, step] = [start, end, 1, step].map(|value| self.integers(&[value]));
        self.op("Slice", &[x, &start, &end, &axis, &step])
    }

    /// A recurrence over places, `[sequence, 1, batch, width]`, and its last state.
    pub(crate) fn recurrence(&mut self, x: &str, direction: &str) -> [String; 2] {
        let turned = self.op_with("Transpose", &[x], vec![ints("perm", &[1, 0, 2])]);
        let weights = [WIDTH, WIDTH].map(|width| self.weights(&[1, 3 * WIDTH, width]));
        let attributes = vec![
            int("hidden_size", WIDTH as i64),
            crate::ops::function::string("direction", direction),
            float("clip", 50.0),
        ];
        let made = self.many("GRU", &[&turned, &weights[0], &weights[1]], attributes, 2);
        made.try_into().unwrap()
    }
}
