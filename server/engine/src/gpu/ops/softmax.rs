//! `Softmax` and `LogSoftmax` of floats.

use girandole_cuda::{Grid, arguments};

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::Result,
    gpu::{context::Context, tensor::DeviceTensor},
    graph::Node,
    ops::math::softmax::{Kind, Softmax as Host},
    passes::rewrite::operator,
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    let log = match operator::<Host>(node)?.kind {
        Kind::Softmax => false,
        Kind::LogSoftmax => true,
        Kind::Hardmax => return None,
    };
    boxed(Softmax { step, log })
}

#[derive(Debug)]
struct Softmax {
    step: usize,
    log: bool,
}

impl DeviceOp for Softmax {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype.is_float()) else { return Ok(None) };
        let host =
            context.operator(self.step).and_then(|op| (op as &dyn std::any::Any).downcast_ref::<Host>());
        let Some(host) = host else { return Ok(None) };
        let (len, step) = host.extent(&x.shape)?;
        if x.len() == 0 {
            return one(context.dense(&x)?);
        }
        if step == 1 {
            return one(rows(context, &context.dense(&x)?, len, self.log)?);
        }
        // The axis goes last, and back.
        let outer = x.len() / (len * step);
        let shape = [outer, len, step];
        let lines = context.dense(&context.dense(&x)?.reshaped(&shape).permuted(&[0, 2, 1]))?;
        let made = rows(context, &lines, len, self.log)?.permuted(&[0, 2, 1]);
        one(context.dense(&made)?.reshaped(&x.shape))
    }
}

fn rows(context: &Context, x: &DeviceTensor, len: usize, log: bool) -> Result<DeviceTensor> {
    const WARPS: usize = 8;
    const IN_REGISTERS: usize = 1024;
    let made = context.empty(x.elem, x.dtype, &x.shape)?;
    let rows = x.len() / len.max(1);
    let blocks = if len <= IN_REGISTERS { rows.div_ceil(WARPS) } else { rows };
    let arguments = arguments![x.at(), made.at(), rows, len, log];
    context.launch("softmax", x.dtype.suffix(), Grid::each(blocks, 256), &arguments)?;
    Ok(made)
}
