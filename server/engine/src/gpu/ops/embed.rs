//! Sums of rows looked up in tables, normalised: one kernel for an encoder's embeddings.

use girandole_core::Shape;
use girandole_cuda::{Pointer, Struct, arguments};

use super::{DeviceOp, Given, Made, boxed, norm::Parameters, one};
use crate::{
    error::{OpError, Result},
    gpu::{
        context::Context,
        dtype::Dtype,
        tensor::{DeviceTensor, dense_strides},
    },
    graph::Node,
    ops::{
        fused::embed::{Embed as Host, MAX_TABLES},
        math::broadcast::broadcast,
    },
    passes::rewrite::operator,
    value::ElemType,
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    boxed(Embed(Parameters { step, host: operator::<Host>(node)?.norm.clone() }))
}

/// `struct Embed` of `kernels/embed.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Tables {
    table: [Pointer; MAX_TABLES],
    index: [Pointer; MAX_TABLES],
    index_rows: [i32; MAX_TABLES],
    vocabulary: [i32; MAX_TABLES],
    tables: i32,
}

#[derive(Debug)]
struct Embed(Parameters);

impl DeviceOp for Embed {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let mut pairs = Vec::with_capacity(MAX_TABLES);
        for i in (0..inputs.0.len()).step_by(2) {
            let (Some(table), Some(index)) = (inputs.device(context, i)?, inputs.device(context, i + 1)?)
            else {
                return Ok(None);
            };
            if table.dtype != context.precision.float() || index.dtype != Dtype::I64 || table.rank() != 2 {
                return Ok(None);
            }
            pairs.push((table, index));
        }
        let shapes: Vec<&Shape> = pairs.iter().map(|(_, index)| &index.shape).collect();
        let shape = broadcast(&shapes)?;
        let width = self.0.host.scale.len();
        let rows = shape.elements().unwrap_or(0);
        let made =
            context.empty(ElemType::F32, context.precision.float(), &[&shape[..], &[width]].concat())?;
        if rows == 0 {
            return one(made);
        }
        let mut tables = Tables {
            table: [Pointer::NULL; MAX_TABLES],
            index: [Pointer::NULL; MAX_TABLES],
            index_rows: [1; MAX_TABLES],
            vocabulary: [0; MAX_TABLES],
            tables: int(pairs.len())?,
        };
        // The rows live until the kernel has been put into the queue.
        let mut kept: Vec<DeviceTensor> = Vec::with_capacity(MAX_TABLES);
        for (i, (table, index)) in pairs.iter().enumerate() {
            let index = repeated(context, index, &shape)?;
            if table.shape.last() != Some(&width) || table.len() == 0 {
                return Err(OpError::invalid(format!(
                    "expected rows of {width}, got a table {}",
                    table.shape
                )));
            }
            tables.table[i] = table.at();
            tables.index[i] = index.at();
            tables.index_rows[i] = int(index.len())?;
            tables.vocabulary[i] = int(table.shape[0])?;
            kept.push(index);
        }
        let (scale, shift) = (self.0.scale(context)?, self.0.shift(context)?);
        if self.0.mean_square() {
            return Ok(None);
        }
        let shift = shift.as_ref().map(DeviceTensor::at);
        let arguments =
            arguments![scale.at(), shift, made.at(), rows, width, self.0.host.epsilon, Struct::of(&tables)];
        context.launch("embed_norm", made.dtype.suffix(), self.0.grid(rows), &arguments)?;
        one(made)
    }
}

/// Indices that repeat as a whole over the leading axes of `shape`, as the kernel repeats them.
fn repeated(context: &Context, index: &DeviceTensor, shape: &Shape) -> Result<DeviceTensor> {
    let own: Vec<usize> = index.shape.iter().copied().skip_while(|&dim| dim == 1).collect();
    if shape.ends_with(&own) {
        return context.dense(index);
    }
    let strides = index.broadcast_strides(shape);
    let made = context.empty(index.elem, index.dtype, shape)?;
    debug_assert_eq!(made.strides, dense_strides(shape));
    context.copy(&index.walked(shape, &strides, 0), &made)?;
    Ok(made)
}

fn int(size: usize) -> Result<i32> {
    i32::try_from(size).map_err(|_| OpError::TooLarge(format!("{size} rows are more than the kernel takes")))
}
