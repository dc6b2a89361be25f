//! Attention over heads where projections left them: one kernel that keeps its scores on the chip, and for heads
//! that it does not take two products with a softmax between them.

use girandole_cuda::{Epilogue, Grid, Matmul, Matrix, Pointer, Struct, arguments};
use girandole_kernels::attention::Sizes;

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::Result,
    gpu::{
        context::Context,
        dtype::Dtype,
        tensor::{DeviceTensor, Strides},
    },
    graph::Node,
    ops::fused::attention::{Attention as Host, Masking, Order, Place, Unseen, sizes},
    passes::rewrite::operator,
    value::ElemType,
};

pub(super) fn find(_step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    boxed(Attention(operator::<Host>(node)?.clone()))
}

/// `struct Attention` of `kernels/attention.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Launch {
    operands: [Pointer; 3],
    mask: Pointer,
    out: Pointer,
    /// From one sequence, head and row to the next: of queries, keys, values and the result.
    strides: [[i64; 3]; 4],
    mask_strides: [i64; 4],
    queries: i32,
    keys: i32,
    group: i32,
    scale: f32,
    replace: i32,
    causal: i32,
    zeros: i32,
    lengths: Pointer,
}

#[derive(Debug)]
struct Attention(Host);

/// One attention's operands on the device.
struct Operands {
    tensors: [DeviceTensor; 3],
    places: [Place; 3],
    mask: Option<DeviceTensor>,
    sizes: Sizes,
}

impl DeviceOp for Attention {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(operands) = self.operands(context, inputs)? else { return Ok(None) };
        let Sizes { batch, heads, queries, width, .. } = operands.sizes;
        let shape = match self.0.order {
            Order::RowsFirst => [batch, queries, heads, width],
            Order::HeadsFirst => [batch, heads, queries, width],
        };
        let dtype = operands.tensors[0].dtype;
        let made = context.empty(ElemType::F32, dtype, &shape)?;
        if made.len() == 0 || operands.sizes.keys == 0 {
            return Ok(None);
        }
        let kernel = fused(&operands, dtype);
        match kernel {
            Some(kernel) => self.fused(context, &operands, &made, kernel)?,
            None => self.in_steps(context, &operands, &made)?,
        }
        one(made)
    }
}

impl Attention {
    fn operands(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Operands>> {
        let dtype = context.precision.float();
        let all = [inputs.device(context, 0)?, inputs.device(context, 1)?, inputs.device(context, 2)?];
        let [Some(query), Some(key), Some(value)] = all else { return Ok(None) };
        let tensors = [query, key, value];
        if tensors.iter().any(|tensor| tensor.dtype != dtype) {
            return Ok(None);
        }
        let mask = inputs.like(context, 3, &tensors[0])?;
        if inputs.get(3).is_some() && mask.is_none() {
            return Ok(None);
        }
        let [query, key, value] = &tensors;
        let places = [
            self.0.query.place(&query.shape)?,
            self.0.key.place(&key.shape)?,
            self.0.value.place(&value.shape)?,
        ];
        let mut mask_sizes = [1; 4];
        if let Some(mask) = &mask {
            let Some(missing) = mask_sizes.len().checked_sub(mask.rank()) else { return Ok(None) };
            mask_sizes[missing..].copy_from_slice(&mask.shape);
        }
        let sizes = sizes(&places, mask_sizes)?;
        let tensors = [context.dense(query)?, context.dense(key)?, context.dense(value)?];
        Ok(Some(Operands { tensors, places, mask, sizes }))
    }

    /// The place of the last key that the first query sees, or that every one does.
    fn causal(&self, sizes: &Sizes) -> i32 {
        let after = sizes.keys.cast_signed() - sizes.queries.cast_signed();
        if self.0.causal { i32::try_from(after).unwrap_or(i32::MAX) } else { i32::MIN }
    }

    fn fused(
        &self,
        context: &Context,
        operands: &Operands,
        made: &DeviceTensor,
        kernel: Fused,
    ) -> Result<()> {
        let sizes = &operands.sizes;
        let strides = |place: &Place| {
            let [batch, head, row, _] = place.strides;
            [batch, head, row].map(|stride| stride as i64)
        };
        let [query, key, value] = &operands.places;
        let (head, row) = match self.0.order {
            Order::RowsFirst => (made.strides[2], made.strides[1]),
            Order::HeadsFirst => (made.strides[1], made.strides[2]),
        };
        let out = [made.strides[0], head, row].map(|stride| stride as i64);
        let first = |i: usize| {
            let tensor = &operands.tensors[i];
            tensor.at().offset(operands.places[i].start * tensor.dtype.size())
        };
        let launch = Launch {
            operands: [first(0), first(1), first(2)],
            mask: operands.mask.as_ref().map_or(Pointer::NULL, DeviceTensor::at),
            out: made.at(),
            strides: [strides(query), strides(key), strides(value), out],
            mask_strides: mask_strides(operands),
            queries: int(sizes.queries),
            keys: int(sizes.keys),
            group: int(key.repeat.max(1)),
            scale: self.0.scale,
            replace: i32::from(self.0.masking == Masking::Replace),
            causal: self.causal(sizes),
            zeros: i32::from(self.0.unseen == Unseen::Zeros),
            lengths: Pointer::NULL,
        };
        let blocks = [sizes.queries.div_ceil(kernel.rows), sizes.heads, sizes.batch];
        let grid = Grid::new(blocks.map(|count| u32::try_from(count).unwrap_or(u32::MAX)), kernel.threads);
        context.launch(kernel.stem, kernel.suffix, grid, &arguments![Struct::of(&launch)])
    }

    fn in_steps(&self, context: &Context, operands: &Operands, made: &DeviceTensor) -> Result<()> {
        let sizes = &operands.sizes;
        let Sizes { batch, heads, queries, keys, depth, width, .. } = *sizes;
        let number = context.precision.number(made.dtype).ok_or_else(crate::gpu::context::too_many_axes)?;
        let query = heads_of(context, operands, 0, [batch, heads, queries, depth])?;
        let key = heads_of(context, operands, 1, [batch, heads, keys, depth])?;
        let value = heads_of(context, operands, 2, [batch, heads, keys, width])?;
        let scores = context.empty(ElemType::F32, Dtype::F32, &[batch, heads, queries, keys])?;
        let matrix = |tensor: &DeviceTensor, rows: usize, stride: usize, turned: bool| Matrix {
            at: tensor.at(),
            stride,
            turned,
            batch: rows * stride,
        };
        let matmul = Matmul {
            m: queries,
            n: keys,
            k: depth,
            batch: batch * heads,
            number,
            wide: made.dtype != Dtype::F32,
            a: matrix(&query, queries, depth, false),
            b: matrix(&key, keys, depth, true),
            out: matrix(&scores, queries, keys, false),
            addend: None,
            bias: None,
            epilogue: Epilogue::None,
            alpha: 1.0,
        };
        context.matmul(&matmul)?;
        let weights = context.empty(ElemType::F32, made.dtype, &scores.shape)?;
        self.softmax(context, operands, &scores, &weights)?;
        let rows = context.empty(ElemType::F32, made.dtype, &[batch, heads, queries, width])?;
        context.matmul(&Matmul {
            n: width,
            k: keys,
            wide: false,
            a: matrix(&weights, queries, keys, false),
            b: matrix(&value, keys, width, false),
            out: matrix(&rows, queries, width, false),
            ..matmul
        })?;
        match self.0.order {
            Order::RowsFirst => context.copy(&rows.permuted(&[0, 2, 1, 3]), made),
            Order::HeadsFirst => context.copy(&rows, made),
        }
    }

    fn softmax(
        &self,
        context: &Context,
        operands: &Operands,
        scores: &DeviceTensor,
        weights: &DeviceTensor,
    ) -> Result<()> {
        const WARPS: usize = 8;
        let Sizes { batch, heads, queries, keys, .. } = operands.sizes;
        let rows = batch * heads * queries;
        let [mask_batch, mask_head, mask_query, mask_key] = mask_strides(operands);
        let arguments = arguments![
            scores.at(),
            weights.at(),
            operands.mask.as_ref().map(DeviceTensor::at),
            rows,
            keys,
            self.0.scale,
            heads,
            queries,
            mask_batch,
            mask_head,
            mask_query,
            mask_key,
            self.0.masking == Masking::Replace,
            self.causal(&operands.sizes),
            self.0.unseen == Unseen::Zeros,
        ];
        context.launch(
            "masked_softmax",
            weights.dtype.suffix(),
            Grid::each(rows.div_ceil(WARPS), 256),
            &arguments,
        )
    }
}

/// An operand's heads, each a dense matrix, those that serve several repeated.
fn heads_of(context: &Context, operands: &Operands, i: usize, shape: [usize; 4]) -> Result<DeviceTensor> {
    let (tensor, place) = (&operands.tensors[i], &operands.places[i]);
    let [batch, heads, rows, columns] = shape;
    let [by_batch, by_head, by_row, _] = place.strides.map(usize::cast_signed);
    let repeat = place.repeat.max(1);
    let made = context.empty(ElemType::F32, tensor.dtype, &shape)?;
    let view = |repeat: usize| {
        let shape = [batch, heads / repeat, repeat, rows, columns];
        let strides: Strides = [by_batch, by_head, 0, by_row, 1].into_iter().collect();
        tensor.walked(&shape, &strides, place.start)
    };
    let from = view(if heads.is_multiple_of(repeat) { repeat } else { 1 });
    let to = made.reshaped(&from.shape);
    context.copy(&from, &to)?;
    Ok(made)
}

/// The mask's strides over batch, heads, queries and keys.
fn mask_strides(operands: &Operands) -> [i64; 4] {
    let Sizes { batch, heads, queries, keys, .. } = operands.sizes;
    let strides = operands.mask.as_ref().map(|mask| mask.broadcast_strides(&[batch, heads, queries, keys]));
    let mut all = [0; 4];
    for (to, from) in all.iter_mut().zip(strides.iter().flatten()) {
        *to = *from as i64;
    }
    all
}

/// A kernel that keeps its scores on the chip.
#[derive(Clone, Copy)]
struct Fused {
    stem: &'static str,
    suffix: &'static str,
    /// Rows of queries of a block.
    rows: usize,
    threads: u32,
}

/// The kernel for these heads, where there is one.
fn fused(operands: &Operands, dtype: Dtype) -> Option<Fused> {
    const VECTOR: usize = 16;
    /// As many blocks keep a large device busy with twice the rows each.
    const MANY: usize = 132;
    let Sizes { batch, heads, queries, depth, width, .. } = operands.sizes;
    let aligned = |place: &Place| {
        let steps = [place.start, place.strides[0], place.strides[1], place.strides[2]];
        steps.iter().all(|step| (step * dtype.size()).is_multiple_of(VECTOR))
    };
    if depth != width || !operands.places.iter().all(aligned) || batch > u16::MAX.into() {
        return None;
    }
    let wide = queries > 64 && batch * heads >= MANY;
    let (stem, suffix) = match (dtype, depth) {
        (Dtype::F16, 32) if wide => ("attention_wide", "f16_32"),
        (Dtype::F16, 64) if wide => ("attention_wide", "f16_64"),
        (Dtype::Bf16, 32) if wide => ("attention_wide", "bf16_32"),
        (Dtype::Bf16, 64) if wide => ("attention_wide", "bf16_64"),
        (Dtype::F16, 32) => ("attention", "f16_32"),
        (Dtype::F16, 64) => ("attention", "f16_64"),
        (Dtype::F16, 96) => ("attention", "f16_96"),
        (Dtype::F16, 128) => ("attention", "f16_128"),
        (Dtype::Bf16, 32) => ("attention", "bf16_32"),
        (Dtype::Bf16, 64) => ("attention", "bf16_64"),
        (Dtype::Bf16, 96) => ("attention", "bf16_96"),
        (Dtype::Bf16, 128) => ("attention", "bf16_128"),
        (Dtype::F32, 32) => ("attention", "f32_32"),
        (Dtype::F32, 64) => ("attention", "f32_64"),
        (Dtype::F32, 96) => ("attention", "f32_96"),
        (Dtype::F32, 128) => ("attention", "f32_128"),
        _ => return None,
    };
    let (rows, threads) = match (stem, dtype) {
        ("attention_wide", _) => (128, 256),
        (_, Dtype::F32) => (32, 128),
        _ => (64, 128),
    };
    Some(Fused { stem, suffix, rows, threads })
}

fn int(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}
