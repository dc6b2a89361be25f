//! A model's answer node by node: each node is loaded as a model of its own whose inputs are all given, so
//! that nothing can be folded or fused.

use std::collections::HashMap;

use girandole_engine::{
    ops::RunContext,
    plan::Plan,
    value::{ElemType, Tensor, Value},
};
use girandole_proto::onnx::{NodeProto, tensor_proto::DataType};

use crate::builder::{self, OnnxBuilder};

/// Every value of a model by its name.
pub(super) fn run(model: &OnnxBuilder, inputs: &[(&str, Tensor)]) -> HashMap<String, Tensor> {
    let graph = model.clone().graph();
    let mut values: HashMap<String, Tensor> =
        inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    for constant in &graph.initializer {
        values.insert(
            constant.name.clone(),
            girandole_engine::onnx::tensor_from_proto(constant, None).unwrap(),
        );
    }
    for node in &graph.node {
        let made = step(model, node, &values);
        values.extend(node.output.iter().cloned().zip(made));
    }
    values
}

fn step(model: &OnnxBuilder, node: &NodeProto, values: &HashMap<String, Tensor>) -> Vec<Tensor> {
    let mut names: Vec<&String> = node.input.iter().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let alone = names.iter().fold(model.clone().emptied(), |alone, name| {
        let tensor = &values[*name];
        let dims: Vec<i64> = tensor.shape().iter().map(|&dim| dim as i64).collect();
        alone.input(name, data_type(tensor.elem()), &dims)
    });
    let alone = alone.node(builder::Node::from(node.clone())).outputs(&node.output.join(" "));
    let plan = Plan::new(girandole_engine::onnx::import(alone.bytes(), None).unwrap().graph).unwrap();
    let inputs = names.iter().map(|name| Value::Tensor(values[*name].clone())).collect();
    let made = plan.run(inputs, &RunContext::default()).unwrap();
    made.iter().map(|value| value.tensor().unwrap().clone()).collect()
}

fn data_type(elem: ElemType) -> DataType {
    match elem {
        ElemType::F32 => DataType::Float,
        ElemType::I64 => DataType::Int64,
        ElemType::I32 => DataType::Int32,
        ElemType::Bool => DataType::Bool,
        ElemType::U8 => DataType::Uint8,
        ElemType::I8 => DataType::Int8,
        other => panic!("{other} is not used by these tests"),
    }
}
