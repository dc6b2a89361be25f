//! `Dropout` as it is when a model serves: the input, and a mask that is true everywhere. Since opset 7; the
//! mask is of the input's type before 10 and boolean since; 12 makes ratio and training inputs. Training with
//! a ratio other than 0 is refused.

use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Bool, ElemType, Tensor, Value, checked_len},
};

use super::real::{self, elements, real};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Dropout", 7, parse)];

/// `Dropout`.
#[derive(Debug)]
pub(crate) struct Dropout {
    mask: Mask,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mask {
    Unwanted,
    Bool,
    AsInput,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let mask = match node.has_output(1) {
        false => Mask::Unwanted,
        true if node.opset() < 10 => Mask::AsInput,
        true => Mask::Bool,
    };
    boxed(Dropout { mask })
}

fn refuse_training(inputs: &Inputs) -> Result<()> {
    let training = inputs.opt_tensor(2)?.map(Tensor::to_scalar::<Bool>).transpose()?;
    if !training.is_some_and(Bool::get) {
        return Ok(());
    }
    let ratio = inputs.opt_tensor(1)?.map(|ratio| real!(ratio.elem(), T => is_zero::<T>(ratio)));
    match ratio.transpose()? {
        Some(true) => Ok(()),
        _ => Err(OpError::unsupported("training_mode of Dropout is not supported")),
    }
}

fn is_zero<T: Real>(ratio: &Tensor) -> Result<bool> {
    Ok(elements::<T>(ratio)?.iter().all(|ratio| ratio.is_zero()))
}

impl Op for Dropout {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).cloned();
        let mask = if self.mask == Mask::AsInput { inputs.elem(0) } else { Some(ElemType::Bool) };
        let mut facts = vec![Fact::tensor(inputs.elem(0), shape.clone()), Fact::tensor(mask, shape)];
        facts.truncate(outputs);
        Ok(facts)
    }

    fn eval(&self, mut inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        refuse_training(&inputs)?;
        let input = inputs.take(0)?;
        let tensor = input.tensor()?;
        let (shape, elem) = (tensor.shape().clone(), tensor.elem());
        let mut outputs: Outputs = smallvec![input];
        let len = checked_len::<f64>(&shape)?;
        match self.mask {
            Mask::Unwanted => {}
            Mask::Bool => outputs.push(Value::Tensor(Tensor::from_vec(shape, vec![Bool::new(true); len])?)),
            Mask::AsInput => outputs.push(Value::Tensor(real::tensor(elem, &shape, vec![1f32; len])?)),
        }
        Ok(outputs)
    }
}
