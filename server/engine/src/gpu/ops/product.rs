//! Products with fixed weights and what follows them. The weights are kept with columns side by side, as the
//! tensor cores read them fastest.

use girandole_cuda::{Code, Epilogue, Grid, Matmul, Matrix, Pointer, arguments};

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::{OpError, Result},
    gpu::{
        context::Context,
        function,
        tensor::{DeviceTensor, Held},
        weights::{Form, Owner},
    },
    graph::Node,
    ops::fused::product::Product as Host,
    passes::rewrite::operator,
};

pub(super) fn find(_step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    boxed(Product(operator::<Host>(node)?.clone()))
}

#[derive(Debug)]
struct Product(Host);

impl DeviceOp for Product {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)? else { return Ok(None) };
        let weights = inputs.held(1)?;
        let shape = weights.shape().ok_or_else(|| OpError::invalid("expected a matrix"))?;
        let (k, n) = self.0.sizes(&x.shape, shape)?;
        let weights = turned(context, weights, self.0.turned)?;
        let (bias, residual) = (inputs.like(context, 2, &x)?, inputs.like(context, 3, &x)?);
        let x = context.dense(&x)?;
        let rows = x.shape.split_last().map_or(&[][..], |(_, rows)| rows);
        let made = context.empty(x.elem, x.dtype, &[rows, &[n]].concat())?;
        let m = rows.iter().product();
        if m == 0 || n == 0 || k == 0 {
            return Ok(None);
        }
        let residual = residual.map(|residual| context.dense(&residual)).transpose()?;
        if residual.as_ref().is_some_and(|residual| residual.shape != made.shape) {
            return Ok(None);
        }
        let (x, number) = (&x, context.precision.number(x.dtype));
        let number = number.ok_or_else(|| OpError::invalid("expected floats to multiply"))?;
        let at = |tensor: &Option<DeviceTensor>| tensor.as_ref().map(DeviceTensor::at);
        let whole = function::epilogue(self.0.activation);
        let matmul = Matmul {
            m,
            n,
            k,
            batch: 1,
            number,
            wide: false,
            a: Matrix { at: x.at(), stride: k, turned: false, batch: 0 },
            b: Matrix { at: weights.at(), stride: k, turned: true, batch: 0 },
            out: Matrix { at: made.at(), stride: n, turned: false, batch: 0 },
            addend: None,
            bias: None,
            epilogue: Epilogue::None,
            alpha: self.0.alpha,
        };
        let whole =
            whole.map(|epilogue| Matmul { addend: at(&residual), bias: at(&bias), epilogue, ..matmul });
        if let Some(whole) = whole.filter(|whole| context.queue.applies(whole)) {
            context.matmul(&whole)?;
            return one(made);
        }
        context.matmul(&matmul)?;
        let code = self.0.activation.map_or(Code::IDENTITY, function::code);
        finish(context, &made, [at(&bias), at(&residual)], [m, n], code)?;
        one(made)
    }
}

/// `f(x + bias + other)` in place.
fn finish(
    context: &Context,
    x: &DeviceTensor,
    [bias, other]: [Option<Pointer>; 2],
    [rows, n]: [usize; 2],
    code: Code,
) -> Result<()> {
    const EACH: usize = 8;
    let arguments = arguments![x.at(), bias, other, x.at(), rows, n, code.number, code.p, code.q];
    context.launch("bias_act", x.dtype.suffix(), Grid::over((rows * n).div_ceil(EACH)), &arguments)
}

/// Weights with columns side by side, `[n, k]`.
fn turned(context: &Context, weights: &Held, already: bool) -> Result<DeviceTensor> {
    let not_there = || OpError::unsupported("the weights are of a type that kernels do not take");
    let Held::Constant(number, value) = weights else {
        let weights = context.device(weights)?.ok_or_else(not_there)?;
        return if already { context.dense(&weights) } else { context.dense(&weights.permuted(&[1, 0])) };
    };
    if already {
        return context.device(weights)?.ok_or_else(not_there);
    }
    context.weight(Owner::Constant(*number), Form::Turned, || {
        Ok(context.uploaded(value.tensor()?)?.permuted(&[1, 0]))
    })
}
