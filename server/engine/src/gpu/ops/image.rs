//! Images between convolutions: pools, means of planes, and normalisation by channel.

use girandole_cuda::{BinaryOp, Grid, Struct, arguments};
use girandole_kernels::window::Axis;

use super::{DeviceOp, Given, Made, boxed, convolution::lay_side_by_side, one, pointwise};
use crate::{
    error::Result,
    gpu::{
        context::Context,
        tensor::{DeviceTensor, Held},
        weights::{Form, Owner},
    },
    graph::Node,
    ops::nn::{
        average_pool::{Kind, Pool as HostPool},
        batch_norm::BatchNorm as HostNorm,
        global_pool::GlobalPool,
        max_pool::MaxPool,
        window::{Rounding, WindowSpec},
    },
    passes::rewrite::operator,
    value::Tensor,
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    if let Some(pool) = operator::<MaxPool>(node) {
        let only_values = !pool.indices;
        return only_values
            .then(|| boxed(Pool { stem: "max_pool", window: pool.window.clone(), padding: false }))
            .flatten();
    }
    if let Some(pool) = operator::<HostPool>(node) {
        let Kind::Mean { padding } = pool.kind else { return None };
        let window = pool.window.clone();
        return boxed(Pool { stem: "average_pool", window, padding });
    }
    if let Some(GlobalPool::Mean) = operator::<GlobalPool>(node) {
        return boxed(GlobalMean);
    }
    boxed(BatchNorm { step, epsilon: operator::<HostNorm>(node)?.epsilon })
}

/// `struct Pool2` of `kernels/pool.cu`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Pool2 {
    sizes: [i32; 6],
    kernel: [i32; 2],
    strides: [i32; 2],
    pads: [i32; 2],
    dilations: [i32; 2],
    input: [i32; 4],
    output: [i32; 4],
    count_pad: i32,
    c_first: i32,
}

/// The greatest number, or the mean, of each window.
#[derive(Debug)]
struct Pool {
    stem: &'static str,
    window: WindowSpec,
    /// Whether padding counts in a mean.
    padding: bool,
}

impl DeviceOp for Pool {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype.is_float() && x.rank() == 4) else {
            return Ok(None);
        };
        // A window past the end counts in a way that the kernel does not know.
        if x.len() == 0 || (self.padding && self.window.rounding == Rounding::Ceil) {
            return Ok(None);
        }
        let [_, down, across] = self.window.resolve(&x.shape[2..], self.window.required_kernel()?)?;
        let mut made =
            context.empty(x.elem, x.dtype, &[x.shape[0], x.shape[1], down.output, across.output])?;
        if x.strides[1] == 1 && x.shape[1] > 1 {
            lay_side_by_side(&mut made);
        }
        let Some(pool) = self.launch(&x, &made, [down, across]) else { return Ok(None) };
        let arguments = arguments![x.at(), made.at(), Struct::of(&pool)];
        context.launch(self.stem, x.dtype.suffix(), Grid::over(made.len()), &arguments)?;
        one(made)
    }
}

impl Pool {
    fn launch(&self, x: &DeviceTensor, made: &DeviceTensor, axes: [Axis; 2]) -> Option<Pool2> {
        let int = |size: usize| i32::try_from(size).ok();
        let pair = |of: fn(&Axis) -> usize| Some([int(of(&axes[0]))?, int(of(&axes[1]))?]);
        let strides = |tensor: &DeviceTensor| -> Option<[i32; 4]> {
            let all: Option<Vec<i32>> =
                tensor.strides.iter().map(|&stride| i32::try_from(stride).ok()).collect();
            all?.try_into().ok()
        };
        let [n, c, h, w] = [0, 1, 2, 3].map(|axis| x.shape[axis]);
        let sizes = [int(n)?, int(c)?, int(h)?, int(w)?, int(axes[0].output)?, int(axes[1].output)?];
        Some(Pool2 {
            sizes,
            kernel: pair(|axis| axis.kernel)?,
            strides: pair(|axis| axis.stride)?,
            pads: pair(|axis| axis.pad_begin)?,
            dilations: pair(|axis| axis.dilation)?,
            input: strides(x)?,
            output: strides(made)?,
            count_pad: i32::from(self.padding),
            c_first: 0,
        })
    }
}

/// The mean of each plane.
#[derive(Debug)]
struct GlobalMean;

impl DeviceOp for GlobalMean {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype.is_float() && x.rank() == 4) else {
            return Ok(None);
        };
        let mut wanted = x.clone();
        lay_side_by_side(&mut wanted);
        let x = if wanted.strides == x.strides { x } else { context.dense(&x)? };
        let [n, c, h, w] = [0, 1, 2, 3].map(|axis| x.shape[axis]);
        let made = context.empty(x.elem, x.dtype, &[n, c, 1, 1])?;
        if x.len() == 0 {
            return Ok(None);
        }
        let [by_image, by_channel] = [x.strides[0], x.strides[1]].map(isize::unsigned_abs);
        let by_place = x.strides[3].unsigned_abs();
        let blocks = if by_channel == 1 { n * c.div_ceil(32) } else { (n * c).div_ceil(8) };
        let arguments = arguments![x.at(), made.at(), n, c, h * w, by_image, by_channel, by_place];
        context.launch(
            "global_average",
            x.dtype.suffix(),
            Grid::each(blocks.min(1 << 16), 256),
            &arguments,
        )?;
        one(made)
    }
}

/// A factor and a summand for each channel.
#[derive(Debug)]
struct BatchNorm {
    step: usize,
    epsilon: f32,
}

impl DeviceOp for BatchNorm {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let float = context.precision.float();
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype == float && x.rank() > 1) else {
            return Ok(None);
        };
        let fixed = [1, 2, 3, 4].map(|i| match inputs.get(i) {
            Some(Held::Constant(_, value)) => value.tensor().ok(),
            _ => None,
        });
        let [Some(scale), Some(shift), Some(mean), Some(variance)] = fixed else { return Ok(None) };
        let Some(affine) = (HostNorm { epsilon: self.epsilon }).fixed([scale, shift, mean, variance]) else {
            return Ok(None);
        };
        if affine.len() != x.shape[1] {
            return Ok(None);
        }
        let mut shape = vec![1; x.rank() - 1];
        shape[0] = affine.len();
        let row = |form: Form, of: fn(&(f64, f64)) -> f64| {
            context.weight(Owner::Step(self.step), form, || {
                let numbers = affine.iter().map(|pair| of(pair) as f32).collect();
                context.uploaded(&Tensor::from_vec(shape.clone(), numbers)?)
            })
        };
        let (factor, summand) = (row(Form::Scale, |pair| pair.0)?, row(Form::Shift, |pair| pair.1)?);
        let scaled = pointwise::binary(context, BinaryOp::Mul, &x, &factor)?;
        one(pointwise::binary(context, BinaryOp::Add, &scaled, &summand)?)
    }
}
