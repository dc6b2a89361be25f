//! Rows brought to a mean of 0 and a variance of 1, or to a mean square of 1; of a sum, where there is one.

use girandole_cuda::{Grid, arguments};

use super::{DeviceOp, Given, Made, boxed, one, pointwise};
use crate::{
    error::{OpError, Result},
    gpu::{
        context::Context,
        tensor::DeviceTensor,
        weights::{Form, Owner},
    },
    graph::Node,
    ops::fused::norm::{Norm as Host, To},
    passes::rewrite::operator,
    value::Tensor,
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    boxed(Norm(Parameters { step, host: operator::<Host>(node)?.clone() }))
}

/// A normalisation's numbers.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) step: usize,
    pub(super) host: Host,
}

impl Parameters {
    pub(super) fn scale(&self, context: &Context) -> Result<DeviceTensor> {
        self.row(context, Form::Scale, &self.host.scale)
    }

    pub(super) fn shift(&self, context: &Context) -> Result<Option<DeviceTensor>> {
        let shift = self.host.shift.as_ref();
        shift.map(|shift| self.row(context, Form::Shift, shift)).transpose()
    }

    fn row(&self, context: &Context, form: Form, numbers: &[f32]) -> Result<DeviceTensor> {
        context.weight(Owner::Step(self.step), form, || {
            context.uploaded(&Tensor::from_vec(vec![numbers.len()], numbers.to_vec())?)
        })
    }

    /// Whether only the mean square is brought to 1.
    pub(super) fn mean_square(&self) -> bool {
        self.host.to == To::MeanSquare
    }

    pub(super) fn grid(&self, rows: usize) -> Grid {
        const ROWS: usize = 4;
        const WIDEST: usize = 1024;
        let width = self.host.scale.len();
        let one_warp = width.is_multiple_of(8) && width <= WIDEST;
        Grid::each(if one_warp { rows.div_ceil(ROWS) } else { rows }, 128)
    }
}

#[derive(Debug)]
struct Norm(Parameters);

impl DeviceOp for Norm {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(mut x) = inputs.device(context, 0)?.filter(|x| x.dtype == context.precision.float()) else {
            return Ok(None);
        };
        let width = self.0.host.scale.len();
        let mut other = inputs.like(context, 1, &x)?;
        if inputs.get(1).is_some() && other.is_none() {
            return Ok(None);
        }
        // One that repeats within rows or between them is added beforehand.
        if let Some(added) = other.take_if(|other| other.shape != x.shape) {
            x = pointwise::binary(context, girandole_cuda::BinaryOp::Add, &x, &added)?;
        }
        let bias = inputs.like(context, 2, &x)?;
        if inputs.get(2).is_some() && bias.is_none() {
            return Ok(None);
        }
        if x.shape.last() != Some(&width) {
            return Err(OpError::invalid(format!("expected rows of {width}, got shape {}", x.shape)));
        }
        let x = context.dense(&x)?;
        let other = other.map(|other| context.dense(&other)).transpose()?;
        let made = context.empty(x.elem, x.dtype, &x.shape)?;
        let rows = x.len() / width;
        if rows > 0 {
            let (scale, shift) = (self.0.scale(context)?, self.0.shift(context)?);
            let arguments = arguments![
                x.at(),
                other.as_ref().map(DeviceTensor::at),
                bias.as_ref().map(DeviceTensor::at),
                scale.at(),
                shift.as_ref().map(DeviceTensor::at),
                made.at(),
                rows,
                width,
                rows,
                self.0.host.epsilon,
                self.0.mean_square(),
            ];
            context.launch("norm", x.dtype.suffix(), self.0.grid(rows), &arguments)?;
        }
        one(made)
    }
}
