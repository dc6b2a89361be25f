//! `ReverseSequence`, since opset 10: the first elements of each sequence of a batch backwards.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
};

use super::{
    kernels::take_blocks,
    shapes::{one_fact, sizes},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("ReverseSequence", 10, |node| boxed(ReverseSequence::parse(node)?))];

#[derive(Debug)]
struct ReverseSequence {
    /// Whether the batch is the first dimension and time the second, and not the other way round.
    batch_first: bool,
}

impl ReverseSequence {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        match (node.int_or("batch_axis", 1)?, node.int_or("time_axis", 0)?) {
            (0, 1) => Ok(Self { batch_first: true }),
            (1, 0) => Ok(Self { batch_first: false }),
            _ => Err(OpError::invalid("attributes 'batch_axis' and 'time_axis' must be 0 and 1, or 1 and 0")),
        }
    }
}

impl Op for ReverseSequence {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(inputs.elem(0), inputs.shape(0).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let &[first, second, ref inner @ ..] = &input.shape()[..] else {
            return Err(OpError::invalid(format!("expected at least 2 dimensions, got {}", input.shape())));
        };
        let (batch, time) = if self.batch_first { (first, second) } else { (second, first) };
        let lengths = sizes(&inputs.tensor(1)?.to_ints()?)?;
        if lengths.len() != batch || lengths.iter().any(|&length| length > time) {
            return Err(OpError::invalid(format!("expected {batch} lengths of at most {time}")));
        }
        if input.is_empty() {
            return one(input.clone());
        }
        let block: usize = inner.iter().product();
        let from = |sequence: usize, step: usize| {
            let length = lengths[sequence];
            let step = if step < length { length - 1 - step } else { step };
            block * if self.batch_first { sequence * time + step } else { step * batch + sequence }
        };
        let row = |row: usize| {
            (0..second).map(move |column| if self.batch_first { (row, column) } else { (column, row) })
        };
        let starts: Vec<usize> =
            (0..first).flat_map(row).map(|(sequence, step)| from(sequence, step)).collect();
        one(take_blocks(input, &starts, block, input.shape().to_vec())?)
    }
}
