//! Broadcasting before opset 7, which was asked for by attributes: `axis` says which of the first input's
//! dimensions the second one's begin at.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, Outputs, RunContext, boxed, math::axes::index},
};

/// The operator of a node, its second input aligned as an old version asks.
///
/// # Errors
/// `Invalid` for an attribute of another type.
pub(super) fn aligned(node: &NodeDef<'_>, op: impl Op) -> Result<Box<dyn Op>> {
    match node.int("axis")?.filter(|_| node.opset() < 7) {
        Some(axis) => boxed(Aligned { axis, op: Box::new(op) }),
        None => boxed(op),
    }
}

/// `PRelu` before opset 7: a slope for each channel, or one for all.
///
/// # Errors
/// None; the form fits a parse.
pub(super) fn by_channel(node: &NodeDef<'_>, op: impl Op) -> Result<Box<dyn Op>> {
    if node.opset() < 7 { boxed(Aligned { axis: 1, op: Box::new(op) }) } else { boxed(op) }
}

/// An operator whose second input gets dimensions of 1 behind its own.
#[derive(Debug)]
struct Aligned {
    axis: i64,
    op: Box<dyn Op>,
}

impl Aligned {
    /// How many dimensions of 1 a second input of rank `own` gets, for a first of rank `rank`.
    fn missing(&self, rank: usize, own: usize) -> Result<usize> {
        let axis = index(self.axis, rank)?;
        rank.checked_sub(axis).and_then(|room| room.checked_sub(own)).ok_or_else(|| {
            OpError::invalid(format!("{own} dimensions from axis {axis} on do not fit into {rank}"))
        })
    }

    fn shape(&self, rank: usize, shape: &SymShape) -> Result<SymShape> {
        if shape.iter().all(|dim| *dim == SymDim::Known(1)) {
            return Ok(shape.clone());
        }
        let ones = vec![SymDim::Known(1); self.missing(rank, shape.len())?];
        Ok([&shape[..], &ones].concat())
    }
}

impl Op for Aligned {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).zip(inputs.shape(1)).map(|(a, b)| self.shape(a.len(), b)).transpose()?;
        let second = Fact::tensor(inputs.elem(1), shape);
        self.op.infer(&Facts::new(vec![inputs.get(0), Some(&second)]), outputs)
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let (a, b) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let ones = if b.len() == 1 { 0 } else { self.missing(a.rank(), b.rank())? };
        let shape = if b.len() == 1 {
            vec![1; b.rank().min(a.rank())]
        } else {
            [&b.shape()[..], &vec![1; ones]].concat()
        };
        let b = b.reshape(shape)?;
        self.op.eval(Inputs::new(vec![Some(a.clone().into()), Some(b.into())]), run)
    }
}
