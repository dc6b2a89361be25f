//! What an operator works with on a GPU: memory, launches, and tensors moved to where and how it needs them.
//!
//! Invariants: everything is put into one queue, so that a buffer given back may be used again at once. While a
//! graph is captured nothing may wait for the device or read what it computes, and what is uploaded on the way is
//! kept for as long as the graph.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use girandole_core::{Error, ErrorCode, Shape};
use girandole_cuda::{
    Arena, Argument, Buffer, Convolution, Fault, Grid, Kernel, Matmul, Queue, Walk, arguments,
};

use super::{
    dtype::{Dtype, Precision},
    tensor::{DeviceTensor, Held, dense_strides},
    transfer,
    weights::{Form, Owner, Weights},
};
use crate::{
    error::{OpError, Result},
    ops::Op,
    plan::Plan,
    value::{ElemType, Tensor},
};

/// See the module.
pub(crate) struct Context {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) arena: Arena,
    pub(crate) precision: Precision,
    plan: Arc<Plan>,
    pub(crate) weights: Arc<Weights>,
    capturing: Cell<bool>,
    /// Whether what was to be captured did what cannot be.
    refused: Cell<bool>,
    /// What was uploaded while capturing.
    kept: RefCell<Vec<Buffer>>,
}

impl From<Fault> for OpError {
    fn from(fault: Fault) -> Self {
        let code = match fault {
            Fault::OutOfMemory { .. } => ErrorCode::OutOfMemory,
            Fault::Missing(_) | Fault::Lost(_) => ErrorCode::Unavailable,
            Fault::Failed(_) => ErrorCode::Internal,
        };
        Self::Placed(Error::new(code, fault.to_string()))
    }
}

/// Elements of one tensor that kernels can count.
const MOST: usize = i32::MAX as usize;

impl Context {
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        precision: Precision,
        plan: Arc<Plan>,
        weights: Arc<Weights>,
    ) -> Self {
        let arena = Arena::new(queue.clone());
        Self {
            queue,
            arena,
            precision,
            plan,
            weights,
            capturing: Cell::new(false),
            refused: Cell::new(false),
            kept: RefCell::default(),
        }
    }

    /// Runs `body` while the queue records. The buffers with it are to be kept as long as what was recorded.
    ///
    /// # Errors
    /// Those of `body`, and where it did what cannot be recorded.
    pub(crate) fn capture<T>(
        &self,
        body: impl FnOnce() -> Result<T>,
    ) -> Result<(T, girandole_cuda::Graph, Vec<Buffer>)> {
        // What is uploaded on the way overtakes the queue, where earlier work may still use blocks given back.
        self.queue.synchronize()?;
        self.queue.begin_capture()?;
        self.capturing.set(true);
        self.refused.set(false);
        let made = body();
        self.capturing.set(false);
        let kept = self.kept.take();
        // The capture is ended in any case, or the queue would record for ever.
        let graph = self.queue.end_capture();
        Ok((made?, graph?, kept))
    }

    /// The error of a step that cannot be captured.
    pub(crate) fn refuse(&self, why: &str) -> OpError {
        self.refused.set(true);
        OpError::unsupported(format!("it cannot be captured: {why}"))
    }

    /// Whether the last capture ended because a step cannot be captured.
    pub(crate) const fn has_refused(&self) -> bool {
        self.refused.get()
    }

    /// The operator of a step of the program.
    pub(crate) fn operator(&self, step: usize) -> Option<&dyn Op> {
        self.plan.operator(step)
    }

    /// Whether the queue records.
    pub(crate) const fn is_capturing(&self) -> bool {
        self.capturing.get()
    }

    /// A dense tensor with anything in it; `None` for a type or size that no kernel takes.
    pub(crate) fn empty(&self, elem: ElemType, dtype: Dtype, shape: &[usize]) -> Result<DeviceTensor> {
        let shape = Shape::new(shape);
        let len = shape.elements().filter(|&len| len <= MOST).ok_or_else(|| {
            OpError::TooLarge(format!("a tensor of shape {shape} is larger than the GPU's kernels take"))
        })?;
        let buffer = self.arena.take(len * dtype.size())?;
        let strides = dense_strides(&shape);
        Ok(DeviceTensor { elem, dtype, shape, strides, offset: 0, buffer })
    }

    /// Launches a kernel.
    pub(crate) fn launch(
        &self,
        stem: &'static str,
        suffix: &'static str,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<()> {
        Ok(self.queue.launch(Kernel::new(stem, suffix), grid, arguments)?)
    }

    /// Multiplies matrices.
    pub(crate) fn matmul(&self, matmul: &Matmul) -> Result<()> {
        Ok(self.queue.matmul(matmul)?)
    }

    /// Convolves.
    pub(crate) fn convolve(&self, convolution: &Convolution) -> Result<()> {
        Ok(self.queue.convolve(convolution)?)
    }

    /// A value on the device as it is; `None` where it is none that kernels take.
    pub(crate) fn device(&self, held: &Held) -> Result<Option<DeviceTensor>> {
        match held {
            Held::Device(tensor) => Ok(Some(tensor.clone())),
            Held::Constant(number, value) => {
                let Ok(tensor) = value.tensor() else { return Ok(None) };
                if self.precision.dtype(tensor.elem()).is_none() {
                    return Ok(None);
                }
                self.weight(Owner::Constant(*number), Form::Plain, || self.uploaded(tensor)).map(Some)
            }
            Held::Host(value) => {
                let Ok(tensor) = value.tensor() else { return Ok(None) };
                if self.precision.dtype(tensor.elem()).is_none() {
                    return Ok(None);
                }
                self.uploaded(tensor).map(Some)
            }
        }
    }

    /// A weight in the form that an operator wants it in: made once for all sessions of a device.
    pub(crate) fn weight(
        &self,
        owner: Owner,
        form: Form,
        make: impl FnOnce() -> Result<DeviceTensor>,
    ) -> Result<DeviceTensor> {
        self.weights.get(self, owner, form, make)
    }

    /// A host's tensor on the device, floats in the model's precision.
    pub(crate) fn uploaded(&self, tensor: &Tensor) -> Result<DeviceTensor> {
        let raw = transfer::upload(self, tensor)?;
        match self.precision.dtype(tensor.elem()) {
            Some(dtype) => self.cast(&raw, dtype),
            None => Ok(raw),
        }
    }

    /// A host's tensor on the device, its numbers as they are.
    pub(crate) fn raw(&self, tensor: &Tensor) -> Result<DeviceTensor> {
        transfer::upload(self, tensor)
    }

    /// Keeps a buffer for as long as what is being captured.
    pub(crate) fn keep(&self, buffer: Buffer) {
        if self.is_capturing() {
            self.kept.borrow_mut().push(buffer);
        }
    }

    /// The same elements in order.
    pub(crate) fn dense(&self, tensor: &DeviceTensor) -> Result<DeviceTensor> {
        if tensor.is_dense() {
            return Ok(tensor.clone());
        }
        let made = self.empty(tensor.elem, tensor.dtype, &tensor.shape)?;
        self.copy(tensor, &made)?;
        Ok(made)
    }

    /// The elements of `from` to where those of `to`, of the same shape, lie.
    pub(crate) fn copy(&self, from: &DeviceTensor, to: &DeviceTensor) -> Result<()> {
        let len = from.len();
        if len == 0 {
            return Ok(());
        }
        let walk = Walk::<2>::new(&from.shape, [&from.strides, &to.strides]);
        if let Some(matrices) = as_transpose(&walk) {
            return self.transpose(from, to, matrices);
        }
        let walk = walk.packed().ok_or_else(too_many_axes)?;
        let vector = 16 / from.dtype.size();
        let grid = Grid::over(len.div_ceil(vector));
        self.launch("copy", from.dtype.width(), grid, &arguments![from.at(), to.at(), len, walk])
    }

    /// Matrices `[batch, rows, columns]`, side by side, turned.
    fn transpose(
        &self,
        from: &DeviceTensor,
        to: &DeviceTensor,
        [batch, rows, columns]: [usize; 3],
    ) -> Result<()> {
        const TILE: usize = 32;
        let blocks = [columns.div_ceil(TILE), rows.div_ceil(TILE), batch.min(u16::MAX.into())];
        let blocks = blocks.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let grid = Grid { blocks, threads: [32, 8, 1], shared_bytes: 0 };
        let arguments = arguments![from.at(), to.at(), batch, rows, columns];
        self.launch("transpose", from.dtype.width(), grid, &arguments)
    }

    /// The same numbers in another type, the shape's elements in memory as they are.
    pub(crate) fn cast(&self, tensor: &DeviceTensor, dtype: Dtype) -> Result<DeviceTensor> {
        if tensor.dtype == dtype {
            return Ok(tensor.clone());
        }
        let tensor = if tensor.memory_order().is_some() { tensor.clone() } else { self.dense(tensor)? };
        let mut made = self.empty(tensor.elem, dtype, &tensor.shape)?;
        made.strides.clone_from(&tensor.strides);
        let len = tensor.len();
        if len > 0 {
            let stem = cast_stem(tensor.dtype);
            self.launch(stem, dtype.suffix(), Grid::over(len), &arguments![tensor.at(), made.at(), len])?;
        }
        Ok(made)
    }
}

/// Kernels' names are `cast_FROM_TO`.
const fn cast_stem(from: Dtype) -> &'static str {
    match from {
        Dtype::F32 => "cast_f32",
        Dtype::F16 => "cast_f16",
        Dtype::Bf16 => "cast_bf16",
        Dtype::I64 => "cast_i64",
        Dtype::I32 => "cast_i32",
        Dtype::Bool => "cast_u8",
    }
}

/// Batch, rows and columns of the matrices side by side that a walk turns, where it does just that.
fn as_transpose(walk: &Walk<2>) -> Option<[usize; 3]> {
    let (batch, [a, b], from, to) = match (walk.dims(), walk.strides(0), walk.strides(1)) {
        ([a, b], from, to) => (1, [*a, *b], from, to),
        ([batch, a, b], [apart, from @ ..], [other, to @ ..])
            if apart == other && *apart == (a * b).cast_signed() =>
        {
            (*batch, [*a, *b], from, to)
        }
        _ => return None,
    };
    let (a_size, b_size) = (a.cast_signed(), b.cast_signed());
    if from == [1, a_size] && to == [b_size, 1] {
        return Some([batch, b, a]);
    }
    (from == [b_size, 1] && to == [1, a_size]).then_some([batch, a, b])
}

/// A tensor of more axes than kernels walk over.
pub(crate) fn too_many_axes() -> OpError {
    OpError::unsupported("the GPU's kernels take fewer axes than this tensor has")
}
