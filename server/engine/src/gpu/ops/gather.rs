//! Elements by indices: `Gather`, `GatherElements`; and running sums, which walk as these do.

use girandole_cuda::{Grid, Walk, arguments};

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::{OpError, Result},
    gpu::{
        context::{Context, too_many_axes},
        dtype::Dtype,
        tensor::dense_strides,
    },
    graph::Node,
    ops::{
        math::cumulative::CumSum as HostSum,
        tensor::{gather::Gather as Host, gather_elements::GatherElements as HostElements, shapes::axis},
    },
    passes::rewrite::operator,
};

pub(super) fn find(_step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    if let Some(gather) = operator::<Host>(node) {
        return boxed(Gather { axis: gather.axis });
    }
    if let Some(gather) = operator::<HostElements>(node) {
        return boxed(GatherElements { axis: gather.axis });
    }
    let sum = operator::<HostSum>(node)?;
    boxed(CumSum { exclusive: sum.exclusive, reverse: sum.reverse })
}

/// Slices of one axis.
#[derive(Debug)]
struct Gather {
    axis: i64,
}

impl DeviceOp for Gather {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(data), Some(index)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        let stem = match index.dtype {
            Dtype::I64 => "gather",
            Dtype::I32 => "gather_i32",
            _ => return Ok(None),
        };
        let axis = axis(self.axis, data.rank())?;
        let (outer, rest) = data.shape.split_at(axis);
        let Some((&size, inner)) = rest.split_first() else {
            return Err(OpError::invalid("a scalar has no dimension to gather from"));
        };
        let shape = [outer, &index.shape[..], inner].concat();
        let made = context.empty(data.elem, data.dtype, &shape)?;
        if made.len() == 0 {
            return one(made);
        }
        if size == 0 {
            return Err(OpError::invalid("nothing can be gathered from an empty dimension"));
        }
        let (outer, inner) = (outer.iter().product::<usize>(), inner.iter().product::<usize>());
        let (data, index) = (context.dense(&data)?, context.dense(&index)?);
        let arguments = arguments![data.at(), index.at(), made.at(), outer, size, inner, index.len()];
        context.launch(stem, data.dtype.width(), Grid::over(made.len()), &arguments)?;
        one(made)
    }
}

/// Elements along one axis.
#[derive(Debug)]
struct GatherElements {
    axis: i64,
}

impl DeviceOp for GatherElements {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(data), Some(index)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        let axis = axis(self.axis, data.rank())?;
        if index.dtype != Dtype::I64 || index.rank() != data.rank() {
            return Ok(None);
        }
        let made = context.empty(data.elem, data.dtype, &index.shape)?;
        if made.len() == 0 {
            return one(made);
        }
        let (data, index) = (context.dense(&data)?, context.dense(&index)?);
        let mut strides = dense_strides(&data.shape);
        let along = std::mem::take(&mut strides[axis]);
        let walk = Walk::<1>::new(&index.shape, [&strides]).packed().ok_or_else(too_many_axes)?;
        let arguments = arguments![
            data.at(),
            index.at(),
            made.at(),
            made.len(),
            data.shape[axis],
            along.unsigned_abs(),
            walk
        ];
        context.launch("gather_elements", data.dtype.width(), Grid::over(made.len()), &arguments)?;
        one(made)
    }
}

/// Running sums.
#[derive(Debug)]
struct CumSum {
    exclusive: bool,
    reverse: bool,
}

impl DeviceOp for CumSum {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)? else { return Ok(None) };
        let along = inputs.ints(1);
        let Some(&[along]) = along.as_deref() else { return Ok(None) };
        if matches!(x.dtype, Dtype::Bool | Dtype::I32) {
            return Ok(None);
        }
        let axis = axis(along, x.rank())?;
        let x = context.dense(&x)?;
        let made = context.empty(x.elem, x.dtype, &x.shape)?;
        let outer: usize = x.shape[..axis].iter().product();
        let inner: usize = x.shape[axis + 1..].iter().product();
        if made.len() > 0 {
            let arguments =
                arguments![x.at(), made.at(), outer, x.shape[axis], inner, self.exclusive, self.reverse];
            context.launch("cumsum", x.dtype.suffix(), Grid::over(outer * inner), &arguments)?;
        }
        one(made)
    }
}
