//! Products with fixed weights and what follows them. The weights are kept with columns side by side, as the
//! tensor cores read them fastest.

use girandole_cuda::{Code, Epilogue, Grid, Matmul, Matrix, Pointer, arguments};

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::{OpError, Result},
    gpu::{
        context::Context,
        dtype::Dtype,
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
        let code = self.0.activation.map_or(Code::IDENTITY, function::code);
        if self.0.alpha == 1.0
            && matches!(inputs.get(1), Some(Held::Constant(..)))
            && let Some(tile) = Tile::of(x.dtype, [m, n, k], whole.is_some())
            && tile.shared_bytes <= context.queue.shared_bytes()
        {
            let operands = [Some(x.at()), Some(weights.at()), at(&bias), at(&residual), Some(made.at())];
            tile.launch(context, x.dtype.suffix(), operands, [m, n, k], code)?;
            return one(made);
        }
        if let Some(epilogue) = whole {
            context.matmul(&Matmul { addend: at(&residual), bias: at(&bias), epilogue, ..matmul })?;
            return one(made);
        }
        context.matmul(&matmul)?;
        finish(context, &made, [at(&bias), at(&residual)], [m, n], code)?;
        one(made)
    }
}

/// A kernel for few rows, where the time is that of getting the first and the last number (`kernels/small_gemm.cu`
/// says what was measured).
struct Tile {
    stem: &'static str,
    rows: usize,
    columns: usize,
    shared_bytes: u32,
}

impl Tile {
    /// The most rows, and the most columns and depth, that it is the faster for.
    const ROWS: usize = 128;
    const SIDE: usize = 512;
    const COLUMNS: usize = 2048;
    /// Says that weights are fetched while the kernel before is still running: nothing writes to them any more.
    const WEIGHTS_STAY: i32 = 256;

    /// The tile for rows, columns and depth; `in_epilogue` says that cuBLASLt applies the function by itself.
    fn of(dtype: Dtype, [m, n, k]: [usize; 3], in_epilogue: bool) -> Option<Self> {
        let fits = dtype.is_float()
            && dtype.size() == 2
            && m <= Self::ROWS
            && k <= Self::SIDE
            && k.is_multiple_of(8);
        match (fits, in_epilogue) {
            (true, true) if n <= Self::SIDE => {
                Some(Self { stem: "gemm_16x32", rows: 16, columns: 32, shared_bytes: 92_160 })
            }
            (true, false) if n <= Self::COLUMNS => {
                Some(Self { stem: "gemm_32x48", rows: 32, columns: 48, shared_bytes: 102_400 })
            }
            _ => None,
        }
    }

    fn launch(
        &self,
        context: &Context,
        suffix: &'static str,
        [x, weights, bias, other, out]: [Option<Pointer>; 5],
        [m, n, k]: [usize; 3],
        code: Code,
    ) -> Result<()> {
        let blocks = [n.div_ceil(self.columns), m.div_ceil(self.rows), 1];
        let blocks = blocks.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let grid = Grid::new(blocks, 256).with_shared(self.shared_bytes);
        let function = code.number + Self::WEIGHTS_STAY;
        let arguments = arguments![x, weights, bias, other, out, m, n, k, function, code.p, code.q];
        context.launch(self.stem, suffix, grid, &arguments)
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
