//! `Constant` and `ConstantOfShape`.
//!
//! `Constant` since opset 1 with `value`; numbers, strings and lists of them as attributes since 12.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, Text},
};

use super::{
    kernels::{Walk, strided},
    shapes::{contents, of_length, one_fact, sizes},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Constant", 1, |node| boxed(Constant(constant(node)?))),
    OpDef::onnx("ConstantOfShape", 9, |node| boxed(ConstantOfShape { value: fill_value(node)? })),
];

fn constant(node: &NodeDef<'_>) -> Result<Tensor> {
    if let Some(tensor) = node.tensor("value")? {
        return Ok(tensor);
    }
    if let Some(value) = node.int("value_int")? {
        return Tensor::scalar(value);
    }
    if let Some(value) = node.float("value_float")? {
        return Tensor::scalar(value);
    }
    if let Some(value) = node.string("value_string")? {
        return Tensor::scalar(Text::copy_from_slice(value.as_bytes()));
    }
    if let Some(values) = node.ints("value_ints")? {
        return Tensor::from_vec(vec![values.len()], values);
    }
    if let Some(values) = node.floats("value_floats")? {
        return Tensor::from_vec(vec![values.len()], values);
    }
    if let Some(values) = node.texts("value_strings")? {
        return Tensor::from_vec(vec![values.len()], values);
    }
    Err(OpError::unsupported("a constant without a dense value is not supported"))
}

#[derive(Debug)]
struct Constant(Tensor);

impl Op for Constant {
    fn eval(&self, _inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(self.0.clone())
    }
}

fn fill_value(node: &NodeDef<'_>) -> Result<Tensor> {
    let value = node.tensor("value")?.map_or_else(|| Tensor::scalar(0f32), Ok)?;
    if value.len() == 1 {
        return Ok(value);
    }
    Err(OpError::invalid(format!("attribute 'value' must hold one element, got {}", value.len())))
}

/// `ConstantOfShape`.
#[derive(Debug)]
pub(crate) struct ConstantOfShape {
    /// What every element is: a tensor of one.
    pub(crate) value: Tensor,
}

impl Op for ConstantOfShape {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.get(0);
        one_fact(Some(self.value.elem()), contents(shape).or_else(|| of_length(shape)))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let shape = sizes(&inputs.tensor(0)?.to_ints()?)?;
        let strides = vec![0; shape.len()];
        one(strided(&self.value, Walk { shape, strides, start: 0 })?)
    }
}
