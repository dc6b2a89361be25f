//! Tensors between the host and a GPU, outside of a session's own inputs and outputs.

use girandole_core::DType;

use super::{
    context::Context,
    dtype::Dtype,
    tensor::{DeviceTensor, dense_strides},
};
use crate::{
    error::{OpError, Result},
    value::{Bool, ElemType, Tensor, Value, from_parts, to_wire},
};

/// A host's tensor on the device, its elements as they are.
///
/// # Errors
/// `Unsupported` for a type that no kernel takes; what the device says.
pub(super) fn upload(context: &Context, tensor: &Tensor) -> Result<DeviceTensor> {
    let dtype = raw(tensor.elem())?;
    let wire = to_wire(tensor)?;
    let bytes = wire.data();
    // While a graph is recorded the copy itself must not be: it reads memory of the host that is gone later.
    let buffer = if context.is_capturing() {
        let buffer = context.arena.take_apart(bytes.len())?;
        context.queue.upload_now(buffer.at(), bytes)?;
        context.keep(buffer.clone());
        buffer
    } else {
        let buffer = context.arena.take(bytes.len())?;
        context.queue.write(buffer.at(), bytes)?;
        buffer
    };
    let shape = tensor.shape().clone();
    let strides = dense_strides(&shape);
    Ok(DeviceTensor { elem: tensor.elem(), dtype, shape, strides, offset: 0, buffer })
}

/// A device's tensor on the host, as the model calls its elements. Waits for the device.
///
/// # Errors
/// `Unsupported` while a graph is captured; what the device says.
pub(super) fn download(context: &Context, tensor: &DeviceTensor) -> Result<Value> {
    if context.is_capturing() {
        return Err(context.refuse("a step on the host reads what the GPU computes"));
    }
    let tensor = context.cast(tensor, raw(tensor.elem)?)?;
    let tensor = context.dense(&tensor)?;
    let bytes = tensor.len() * tensor.dtype.size();
    let staging = context.queue.pinned(bytes)?;
    context.queue.download(&staging, tensor.at(), bytes)?;
    context.queue.synchronize()?;
    let bytes = bytes::Bytes::copy_from_slice(staging.as_slice());
    from_parts(wire(tensor.elem)?, &tensor.shape, &[bytes]).map(Value::Tensor)
}

/// What elements of this type are kept as where nothing is rounded.
pub(super) fn raw(elem: ElemType) -> Result<Dtype> {
    match elem {
        ElemType::F32 => Ok(Dtype::F32),
        ElemType::F16 => Ok(Dtype::F16),
        ElemType::BF16 => Ok(Dtype::Bf16),
        ElemType::I64 => Ok(Dtype::I64),
        ElemType::I32 => Ok(Dtype::I32),
        ElemType::Bool => Ok(Dtype::Bool),
        other => Err(OpError::unsupported(format!("tensors of {other} stay on the host"))),
    }
}

fn wire(elem: ElemType) -> Result<DType> {
    raw(elem).map(|_| elem.wire())
}

const _: () = assert!(size_of::<Bool>() == 1);
