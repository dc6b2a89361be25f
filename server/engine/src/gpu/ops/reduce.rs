//! Many numbers become one, or the place of one: `ReduceSum` and its like, `ArgMax`, `ArgMin`.

use girandole_cuda::{Grid, ReduceOp, arguments};

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::Result,
    gpu::{context::Context, dtype::Dtype, tensor::DeviceTensor},
    graph::Node,
    ops::{
        math::{
            extremum::Extremum as HostExtremum,
            reduce::ops::{Kind, Reduce as Host},
        },
        tensor::shapes::axis,
    },
    passes::rewrite::operator,
    value::ElemType,
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    if let Some(reduce) = operator::<Host>(node) {
        return boxed(Reduce { step, op: op_of(reduce.kind), keep: reduce.keep });
    }
    let extremum = operator::<HostExtremum>(node)?;
    let HostExtremum { axis, keep, last, greatest } = *extremum;
    boxed(Extremum { axis, keep, last, least: !greatest })
}

const fn op_of(kind: Kind) -> ReduceOp {
    match kind {
        Kind::Sum => ReduceOp::Sum,
        Kind::Mean => ReduceOp::Mean,
        Kind::Prod => ReduceOp::Product,
        Kind::Max => ReduceOp::Max,
        Kind::Min => ReduceOp::Min,
        Kind::L1 => ReduceOp::L1,
        Kind::L2 => ReduceOp::L2,
        Kind::SumSquare => ReduceOp::SumSquare,
        Kind::LogSum => ReduceOp::LogSum,
        Kind::LogSumExp => ReduceOp::LogSumExp,
    }
}

#[derive(Debug)]
struct Reduce {
    step: usize,
    op: ReduceOp,
    keep: bool,
}

impl DeviceOp for Reduce {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)? else { return Ok(None) };
        let given = match inputs.get(1) {
            None => Vec::new(),
            Some(_) => match inputs.ints(1) {
                Some(given) => given,
                None => return Ok(None),
            },
        };
        let floats_only = matches!(self.op, ReduceOp::LogSum | ReduceOp::LogSumExp | ReduceOp::L2);
        let Some(host) =
            context.operator(self.step).and_then(|op| (op as &dyn std::any::Any).downcast_ref::<Host>())
        else {
            return Ok(None);
        };
        if x.dtype == Dtype::Bool || (floats_only && !x.dtype.is_float()) {
            return Ok(None);
        }
        let Some(mask) = host.mask(given, x.rank())? else { return one(x) };
        let left = |keep: bool| -> Vec<usize> {
            let dims = x.shape.iter().zip(&mask);
            dims.filter_map(|(&dim, &gone)| if gone { keep.then_some(1) } else { Some(dim) }).collect()
        };
        let (x, [outer, len, inner]) = grouped(context, &x, &mask)?;
        if x.len() == 0 {
            return Ok(None);
        }
        let made = context.empty(x.elem, x.dtype, &left(false))?;
        let grid = grid(outer, len, inner);
        context.launch(
            "reduce",
            x.dtype.suffix(),
            grid,
            &arguments![x.at(), made.at(), outer, len, inner, self.op],
        )?;
        one(made.reshaped(&left(self.keep)))
    }
}

/// The tensor with the axes of `mask` side by side and its elements in order: what is outside, what is reduced,
/// what is inside.
fn grouped(context: &Context, x: &DeviceTensor, mask: &[bool]) -> Result<(DeviceTensor, [usize; 3])> {
    let size = |axes: &[usize]| axes.iter().map(|&axis| x.shape[axis]).product::<usize>();
    let first = mask.iter().position(|&gone| gone).unwrap_or(mask.len());
    let count = mask.iter().filter(|&&gone| gone).count();
    if mask.iter().skip(first).take(count).all(|&gone| gone) {
        let axes: Vec<usize> = (0..x.rank()).collect();
        let sizes = [size(&axes[..first]), size(&axes[first..first + count]), size(&axes[first + count..])];
        return Ok((context.dense(x)?, sizes));
    }
    let (gone, left): (Vec<usize>, Vec<usize>) = (0..x.rank()).partition(|&axis| mask[axis]);
    let turned = context.dense(&x.permuted(&[&left[..], &gone[..]].concat()))?;
    Ok((turned, [size(&left), size(&gone), 1]))
}

/// Blocks for each way that the kernel works.
fn grid(outer: usize, len: usize, inner: usize) -> Grid {
    const WARPS: usize = 8;
    const STRIP: usize = 32;
    const ROW: usize = 1024;
    let blocks = match (inner, len) {
        (1, ..=ROW) => outer.div_ceil(WARPS),
        (1, _) => outer,
        _ => outer * inner.div_ceil(STRIP),
    };
    Grid::each(blocks.min(1 << 16), 256)
}

#[derive(Debug)]
struct Extremum {
    axis: i64,
    keep: bool,
    last: bool,
    least: bool,
}

impl DeviceOp for Extremum {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype != Dtype::Bool) else { return Ok(None) };
        let axis = axis(self.axis, x.rank())?;
        let x = context.dense(&x)?;
        let outer: usize = x.shape[..axis].iter().product();
        let inner: usize = x.shape[axis + 1..].iter().product();
        let mut shape = x.shape.to_vec();
        if self.keep {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        if x.len() == 0 {
            return Ok(None);
        }
        let made = context.empty(ElemType::I64, Dtype::I64, &shape)?;
        let arguments = arguments![x.at(), made.at(), outer, x.shape[axis], inner, self.least, self.last];
        context.launch("arg", x.dtype.suffix(), grid(outer, 1, inner), &arguments)?;
        one(made)
    }
}
