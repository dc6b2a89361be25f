//! `SequenceConstruct`, `SequenceEmpty`, `SequenceAt`, `SequenceInsert`, `SequenceErase`, `SequenceLength`,
//! `SplitToSequence`, `ConcatFromSequence`. Since opset 11.

use std::sync::Arc;

use smallvec::smallvec;

use super::stack::{axis_of, concat, narrow, stack_at};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, Value},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("SequenceConstruct", 11, |_| boxed(Sequence::Construct)),
    OpDef::onnx("SequenceEmpty", 11, |_| boxed(Sequence::Empty)),
    OpDef::onnx("SequenceAt", 11, |_| boxed(Sequence::At)),
    OpDef::onnx("SequenceInsert", 11, |_| boxed(Sequence::Insert)),
    OpDef::onnx("SequenceErase", 11, |_| boxed(Sequence::Erase)),
    OpDef::onnx("SequenceLength", 11, |_| boxed(Sequence::Length)),
    OpDef::onnx("SplitToSequence", 11, parse_split),
    OpDef::onnx("ConcatFromSequence", 11, parse_concat),
];

#[derive(Debug)]
enum Sequence {
    Construct,
    Empty,
    At,
    Insert,
    Erase,
    Length,
    Split { axis: i64, keep: bool },
    Concat { axis: i64, new: bool },
}

fn parse_split(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Sequence::Split { axis: node.int_or("axis", 0)?, keep: node.flag("keepdims", true)? })
}

fn parse_concat(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Sequence::Concat { axis: node.required_int("axis")?, new: node.flag("new_axis", false)? })
}

impl Op for Sequence {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let fact = match self {
            Self::Length => Fact::known(ElemType::I64, &[]),
            // A sequence's fact says of its elements what is known of all.
            Self::At | Self::Concat { .. } | Self::Split { .. } => Fact::tensor(None, None),
            _ => Fact::default(),
        };
        let _ = inputs;
        Ok(vec![fact; outputs])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        match self {
            Self::Construct => made(inputs.into_values().into_iter().flatten().collect()),
            Self::Empty => made(Vec::new()),
            Self::At => {
                let all = items(inputs.value(0)?)?;
                let index = index(inputs.tensor(1)?, all.len(), all.len())?;
                Ok(smallvec![all[index].clone()])
            }
            Self::Insert => insert(inputs),
            Self::Erase => erase(inputs),
            Self::Length => one(Tensor::scalar(items(inputs.value(0)?)?.len().cast_signed() as i64)?),
            Self::Split { axis, keep } => split(&inputs, *axis, *keep),
            Self::Concat { axis, new } => join(items(inputs.value(0)?)?, *axis, *new),
        }
    }
}

/// Only tensors go into a sequence: values nested by a loop would overflow the stack when they are dropped.
fn made(all: Vec<Value>) -> Result<Outputs> {
    all.iter().try_for_each(|value| value.tensor().map(drop))?;
    Ok(smallvec![Value::Sequence(Arc::new(all))])
}

fn items(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Sequence(all) => Ok(all),
        other => Err(OpError::invalid(format!("expected a sequence, got {}", other.kind()))),
    }
}

/// The items, without a copy where nobody else holds them.
fn own_items(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Sequence(all) => Ok(Arc::try_unwrap(all).unwrap_or_else(|all| all.to_vec())),
        other => Err(OpError::invalid(format!("expected a sequence, got {}", other.kind()))),
    }
}

/// A position below `limit` that may count from behind `len`.
fn index(tensor: &Tensor, len: usize, limit: usize) -> Result<usize> {
    let [position] = tensor.to_ints()?[..] else {
        return Err(OpError::invalid("expected one position"));
    };
    let signed = i64::try_from(len).unwrap_or(i64::MAX);
    let place = if position < 0 { position.saturating_add(signed) } else { position };
    let place = usize::try_from(place).ok().filter(|&place| place < limit);
    place.ok_or_else(|| OpError::invalid(format!("position {position} is outside a sequence of {len}")))
}

fn insert(mut inputs: Inputs) -> Result<Outputs> {
    let mut all = own_items(inputs.take(0)?)?;
    let place =
        inputs.opt_tensor(2)?.map(|position| index(position, all.len(), all.len() + 1)).transpose()?;
    all.insert(place.unwrap_or(all.len()), inputs.take(1)?);
    made(all)
}

fn erase(mut inputs: Inputs) -> Result<Outputs> {
    let mut all = own_items(inputs.take(0)?)?;
    let last = all.len().checked_sub(1).ok_or_else(|| OpError::invalid("the sequence is empty"))?;
    let place = inputs.opt_tensor(1)?.map(|position| index(position, all.len(), all.len())).transpose()?;
    all.remove(place.unwrap_or(last));
    made(all)
}

fn split(inputs: &Inputs, axis: i64, keep: bool) -> Result<Outputs> {
    let tensor = inputs.tensor(0)?;
    let axis = axis_of(axis, tensor.rank())?;
    let sizes = inputs.opt_tensor(1)?;
    let drop = sizes.is_none() && !keep;
    let mut start = 0usize;
    let mut all = Vec::new();
    for size in split_sizes(tensor.shape()[axis], sizes)? {
        let part = narrow(tensor, axis, start, size)?;
        start = start.saturating_add(size);
        let mut shape = part.shape().to_vec();
        if drop {
            shape.remove(axis);
        }
        all.push(Value::Tensor(part.reshape(&shape[..])?));
    }
    made(all)
}

/// One each by default, equal parts for a scalar, or the sizes given.
fn split_sizes(total: usize, sizes: Option<&Tensor>) -> Result<Vec<usize>> {
    let Some(tensor) = sizes else { return Ok(vec![1; total]) };
    let sizes: Option<Vec<usize>> = tensor.to_ints()?.iter().map(|&v| usize::try_from(v).ok()).collect();
    let sizes = sizes.ok_or_else(|| OpError::invalid("a part's size must not be negative"))?;
    if tensor.rank() == 0 {
        let size = sizes.first().copied().filter(|&size| size > 0);
        let size = size.ok_or_else(|| OpError::invalid("a part's size must be above 0"))?;
        return Ok((0..total.div_ceil(size)).map(|i| size.min(total - i * size)).collect());
    }
    if sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) != Some(total) {
        return Err(OpError::invalid(format!("the parts' sizes do not sum up to {total}")));
    }
    Ok(sizes)
}

fn join(all: &[Value], axis: i64, new: bool) -> Result<Outputs> {
    let first = all.first().ok_or_else(|| OpError::invalid("the sequence is empty"))?.tensor()?;
    if new {
        return one(stack_at(all, axis_of(axis, first.rank() + 1)?)?);
    }
    let tensors = all.iter().map(|value| value.tensor().cloned()).collect::<Result<Vec<_>>>()?;
    one(concat(&tensors, axis_of(axis, first.rank())?)?)
}
