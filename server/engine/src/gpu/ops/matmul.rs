//! Products of matrices that a model computes, and of those with others: `MatMul` and `Gemm` in general.

use girandole_cuda::{BinaryOp, Epilogue, Matmul as Product, Matrix};

use super::{DeviceOp, Given, Made, boxed, one, pointwise};
use crate::{
    error::{OpError, Result},
    gpu::{context::Context, tensor::DeviceTensor},
    graph::Node,
    ops::nn::{
        gemm::Gemm as HostGemm,
        matmul::{MatMul as Host, Sizes},
    },
    passes::rewrite::operator,
};

pub(super) fn find(_step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    if operator::<Host>(node).is_some() {
        return boxed(MatMul);
    }
    let gemm = operator::<HostGemm>(node)?;
    boxed(Gemm { alpha: gemm.alpha, beta: gemm.beta, turn_a: gemm.turn_a, turn_b: gemm.turn_b })
}

#[derive(Debug)]
struct MatMul;

impl DeviceOp for MatMul {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(a), Some(b)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        if a.dtype != b.dtype || !a.dtype.is_float() {
            return Ok(None);
        }
        let Some(made) = product(context, &a, &b)? else { return Ok(None) };
        one(made)
    }
}

/// `Gemm` whose factors the model computes.
#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    turn_a: bool,
    turn_b: bool,
}

impl DeviceOp for Gemm {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let (Some(a), Some(b)) = (inputs.device(context, 0)?, inputs.device(context, 1)?) else {
            return Ok(None);
        };
        let plain = self.alpha == 1.0 && (self.beta == 1.0 || inputs.get(2).is_none());
        let matrices = a.rank() == 2 && b.rank() == 2 && a.dtype == b.dtype && a.dtype.is_float();
        let added = inputs.like(context, 2, &a)?;
        if !plain || !matrices || (inputs.get(2).is_some() && added.is_none()) {
            return Ok(None);
        }
        let turned = |tensor: DeviceTensor, turn: bool| if turn { tensor.permuted(&[1, 0]) } else { tensor };
        let Some(made) = product(context, &turned(a, self.turn_a), &turned(b, self.turn_b))? else {
            return Ok(None);
        };
        match added {
            Some(added) => one(pointwise::binary(context, BinaryOp::Add, &made, &added)?),
            None => one(made),
        }
    }
}

/// numpy's matrix product; `None` for one that is empty.
pub(super) fn product(context: &Context, a: &DeviceTensor, b: &DeviceTensor) -> Result<Option<DeviceTensor>> {
    let sizes = Sizes::new(&a.shape, &b.shape)?;
    let number = context.precision.number(a.dtype);
    let number = number.ok_or_else(|| OpError::unsupported("products of integers stay on the host"))?;
    let made = context.empty(a.elem, a.dtype, &sizes.shape)?;
    if made.len() == 0 || sizes.k == 0 {
        return Ok(None);
    }
    let left = lined_up(&context_matrix(a, &sizes.left), &sizes.batch);
    let right = lined_up(&context_matrix(b, &sizes.right), &sizes.batch);
    let (mut m, mut count) = (sizes.m, sizes.batch.iter().product::<usize>());
    let right_shared = sizes.right[..sizes.right.len() - 2].iter().all(|&dim| dim == 1);
    // A batch times one matrix is one product.
    let left = if right_shared && count > 1 {
        (m, count) = (m * count, 1);
        context.dense(&left)?.reshaped(&[1, m, sizes.k])
    } else {
        left
    };
    let (left, right) = (operand(context, &left)?, operand(context, &right)?);
    let at = |tensor: &DeviceTensor, matrix: Matrix| Matrix { at: tensor.at(), ..matrix };
    let out = Matrix { at: made.at(), stride: sizes.n, turned: false, batch: m * sizes.n };
    context.matmul(&Product {
        m,
        n: sizes.n,
        k: sizes.k,
        batch: std::mem::replace(&mut count, 1),
        number,
        wide: false,
        a: at(&left.0, left.1),
        b: at(&right.0, right.1),
        out,
        addend: None,
        bias: None,
        epilogue: Epilogue::None,
        alpha: 1.0,
    })?;
    Ok(Some(made))
}

/// A vector as a matrix.
fn context_matrix(tensor: &DeviceTensor, shape: &[usize]) -> DeviceTensor {
    if tensor.shape[..] == *shape {
        return tensor.clone();
    }
    // The axis that is added has one index, whose stride is never used.
    let along = tensor.strides.first().copied().unwrap_or(1);
    tensor.walked(shape, &[along, along], 0)
}

/// The tensor with its batch axes broadcast to `batch`.
fn lined_up(tensor: &DeviceTensor, batch: &[usize]) -> DeviceTensor {
    let matrix = &tensor.shape[tensor.rank() - 2..];
    let shape = [batch, matrix].concat();
    let strides = tensor.broadcast_strides(&[batch, matrix].concat());
    let mut view = tensor.walked(&shape, &strides, 0);
    // The matrix's own axes are not broadcast, even those of one index.
    let own = &tensor.strides[tensor.rank() - 2..];
    let rank = view.strides.len();
    view.strides[rank - 2..].copy_from_slice(own);
    view
}

/// The tensor as matrices that one stride leads through, copied where it is not; and that layout.
fn operand(context: &Context, tensor: &DeviceTensor) -> Result<(DeviceTensor, Matrix)> {
    if let Some(matrix) = matrix(tensor) {
        return Ok((tensor.clone(), matrix));
    }
    let dense = context.dense(tensor)?;
    // A dense tensor may still have strides of axes of one index that lead nowhere.
    let dense = dense.reshaped(&dense.shape.clone());
    let layout = matrix(&dense).ok_or_else(|| OpError::invalid("matrices without a layout"))?;
    Ok((dense, layout))
}

/// How the last two axes lie, and one stride for all axes before them.
fn matrix(tensor: &DeviceTensor) -> Option<Matrix> {
    let (rows, columns) = (*tensor.shape.iter().nth_back(1)?, *tensor.shape.last()?);
    let (down, across) = (*tensor.strides.iter().nth_back(1)?, *tensor.strides.last()?);
    let wide = |stride: isize, least: usize| usize::try_from(stride).ok().filter(|&stride| stride >= least);
    let (stride, turned) = if across == 1 || columns == 1 {
        (if rows == 1 { columns } else { wide(down, columns)? }, false)
    } else if down == 1 || rows == 1 {
        (wide(across, rows)?, true)
    } else {
        return None;
    };
    let mut batch: Option<(usize, isize)> = None;
    let axes = tensor.shape.iter().zip(&tensor.strides).take(tensor.rank() - 2).rev();
    for (&dim, &own) in axes.filter(|(dim, _)| **dim != 1) {
        batch = match batch {
            None => Some((dim, own)),
            Some((inner, step)) if step * inner.cast_signed() == own => Some((inner * dim, step)),
            Some(_) => return None,
        };
    }
    let batch = usize::try_from(batch.map_or(0, |(_, step)| step)).ok()?;
    Some(Matrix { at: tensor.at(), stride, turned, batch })
}
