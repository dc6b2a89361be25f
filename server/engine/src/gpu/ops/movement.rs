//! Operators that only move elements: their results are views, copied by whoever needs them in order. Questions
//! about a shape, too, which the host answers without the elements.

use super::{DeviceOp, Given, Made, boxed};
use crate::{
    error::{OpError, Result},
    gpu::{context::Context, tensor::Held},
    graph::Node,
    ops::{
        Inputs,
        nn::dropout::Dropout,
        tensor::{
            expand::Expand,
            identity::Identity,
            reshape::{Flatten, Reshape},
            shape::{Shape, Size},
            slice::Slice,
            split::Split,
            squeeze::{Squeeze, Unsqueeze},
            transpose::Transpose,
        },
    },
    passes::rewrite::operator,
    value::Tensor,
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    let moves = operator::<Transpose>(node).is_some()
        || operator::<Reshape>(node).is_some()
        || operator::<Flatten>(node).is_some()
        || operator::<Squeeze>(node).is_some()
        || operator::<Unsqueeze>(node).is_some()
        || operator::<Expand>(node).is_some()
        || operator::<Slice>(node).is_some()
        || operator::<Split>(node).is_some()
        || operator::<Identity>(node).is_some();
    if moves {
        return boxed(Movement { step });
    }
    if let Some(shape) = operator::<Shape>(node) {
        return boxed(Dims { start: shape.start, end: shape.end });
    }
    if operator::<Size>(node).is_some() {
        return boxed(Count);
    }
    (operator::<Dropout>(node).is_some() && node.outputs.iter().flatten().count() == 1)
        .then(|| boxed(Same))
        .flatten()
}

/// See [`Op::movement`].
#[derive(Debug)]
pub(crate) struct Movement {
    /// The program's step, whose operator says how elements move.
    pub(crate) step: usize,
}

impl DeviceOp for Movement {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(op) = context.operator(self.step) else { return Ok(None) };
        let Some(x) = inputs.device(context, 0)? else { return Ok(None) };
        let mut others = vec![None];
        for held in inputs.0.iter().skip(1) {
            match held {
                // Where the elements go is a number that the GPU computed: the host must read it.
                Some(held) if held.is_device() => return Ok(None),
                held => others.push(held.as_ref().and_then(Held::host).cloned()),
            }
        }
        let Some(walks) = op.movement(&x.shape, &Inputs::new(others)) else { return Ok(None) };
        let walks = walks?;
        // A transpose of any view is a view; other walks count elements in order.
        if let Some(transpose) = (op as &dyn std::any::Any).downcast_ref::<Transpose>() {
            return super::one(x.permuted(&transpose.order(x.rank())?));
        }
        let x = context.dense(&x)?;
        let view = |walk: &crate::ops::Walk| Held::Device(x.walked(&walk.shape, &walk.strides, walk.start));
        Ok(Some(walks.iter().map(view).collect()))
    }
}

/// Some of a tensor's dimensions.
#[derive(Debug)]
struct Dims {
    start: i64,
    end: i64,
}

impl DeviceOp for Dims {
    fn run(&self, _context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let shape = inputs.held(0)?.shape().ok_or_else(|| OpError::invalid("expected a tensor"))?;
        let part = Shape { start: self.start, end: self.end }.dims(shape)?;
        Ok(Some(std::iter::once(Held::Host(part.into())).collect()))
    }
}

/// The number of a tensor's elements.
#[derive(Debug)]
struct Count;

impl DeviceOp for Count {
    fn run(&self, _context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let shape = inputs.held(0)?.shape().and_then(|shape| i64::try_from(shape.elements()?).ok());
        let count = shape.ok_or_else(|| OpError::invalid("expected a tensor"))?;
        Ok(Some(std::iter::once(Held::Host(Tensor::scalar(count)?.into())).collect()))
    }
}

/// What came.
#[derive(Debug)]
struct Same;

impl DeviceOp for Same {
    fn run(&self, _context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        Ok(Some(std::iter::once(inputs.held(0)?.clone()).collect()))
    }
}
