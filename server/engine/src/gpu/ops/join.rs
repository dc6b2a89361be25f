//! Tensors side by side: `Concat`.

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::{OpError, Result},
    gpu::context::Context,
    graph::Node,
    ops::tensor::{concat::Concat as Host, shapes::axis},
    passes::rewrite::operator,
};

pub(super) fn find(_step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    boxed(Concat { axis: operator::<Host>(node)?.axis })
}

#[derive(Debug)]
struct Concat {
    axis: i64,
}

impl DeviceOp for Concat {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let mut parts = Vec::with_capacity(inputs.0.len());
        for i in 0..inputs.0.len() {
            let Some(part) = inputs.device(context, i)? else { return Ok(None) };
            parts.push(part);
        }
        let Some(first) = parts.first() else { return Ok(None) };
        let axis = axis(self.axis, first.rank())?;
        let mut shape = first.shape.to_vec();
        shape[axis] = 0;
        for part in &parts {
            let fits = part.dtype == first.dtype
                && part.rank() == shape.len()
                && part.shape.iter().enumerate().all(|(i, &dim)| i == axis || dim == shape[i]);
            if !fits {
                return Err(OpError::invalid("the inputs do not fit each other along the other axes"));
            }
            shape[axis] += part.shape[axis];
        }
        let whole = context.empty(first.elem, first.dtype, &shape)?;
        let mut begin = 0;
        for part in &parts {
            let start = begin * whole.strides[axis].unsigned_abs();
            context.copy(part, &whole.walked(&part.shape, &whole.strides, start))?;
            begin += part.shape[axis];
        }
        one(whole)
    }
}
