//! Convolutions with fixed filters, with what follows them in the same kernel. f16 and bf16 have channels side by
//! side, padded to what the tensor cores take; f32 has planes.

use girandole_cuda::{Convolution as Asked, ConvolutionShape, Grid, Number, arguments};

use super::{DeviceOp, Given, Made, boxed, one};
use crate::{
    error::Result,
    gpu::{
        context::Context,
        dtype::Dtype,
        tensor::{DeviceTensor, Held},
        weights::{Form, Owner},
    },
    graph::Node,
    ops::fused::convolution::Convolution as Host,
    passes::rewrite::operator,
    value::{ElemType, Tensor},
};

pub(super) fn find(step: usize, node: &Node) -> Option<Box<dyn DeviceOp>> {
    boxed(Convolution { step, host: operator::<Host>(node)?.clone() })
}

#[derive(Debug)]
struct Convolution {
    step: usize,
    host: Host,
}

/// Channels are padded to a multiple of this many.
const CHANNELS: usize = 8;

impl DeviceOp for Convolution {
    fn run(&self, context: &Context, inputs: &Given<'_>) -> Result<Option<Made>> {
        let float = context.precision.float();
        let Some(x) = inputs.device(context, 0)?.filter(|x| x.dtype == float) else { return Ok(None) };
        let Some(filters) = inputs.held(1)?.shape().cloned() else { return Ok(None) };
        let number = context.precision.number(float).unwrap_or(Number::F32);
        let residual = inputs.like(context, 3, &x)?;
        if !context.queue.convolves()
            || x.len() == 0
            || x.rank() != filters.len()
            || !(3..=4).contains(&x.rank())
        {
            return Ok(None);
        }
        // One axis is two, of which the first has one place.
        let flat = x.rank() == 3;
        let tall = |tensor: &DeviceTensor| -> Result<DeviceTensor> {
            if !flat {
                return Ok(tensor.clone());
            }
            let tensor = context.dense(tensor)?;
            let [n, c, w] = [tensor.shape[0], tensor.shape[1], tensor.shape[2]];
            Ok(tensor.reshaped(&[n, c, 1, w]))
        };
        let window = self.host.conv.window.resolve(&x.shape[2..], &filters[2..])?;
        let [_, down, across] = window;
        let x = tall(&x)?;
        let (k, groups) = (filters[0], self.host.conv.groups);
        let even = down.pad_begin == down.pad_end && across.pad_begin == across.pad_end;
        let pads = if even { [down.pad_begin, across.pad_begin] } else { [0, 0] };
        let channels_last = matches!(float, Dtype::F16 | Dtype::Bf16);
        let x = if even {
            x
        } else {
            padded(context, &x, [(down.pad_begin, down.pad_end), (across.pad_begin, across.pad_end)])?
        };
        let mut channels = x.shape[1];
        if channels_last && groups == 1 {
            channels = channels.next_multiple_of(CHANNELS);
        }
        let input = if channels_last { side_by_side(context, &x, channels)? } else { context.dense(&x)? };
        let shape = ConvolutionShape {
            batch: x.shape[0],
            input: [channels, x.shape[2], x.shape[3]],
            output: [k, down.output, across.output],
            kernel: [down.kernel, across.kernel],
            strides: [down.stride, across.stride],
            pads,
            dilations: [down.dilation, across.dilation],
            groups,
            channels_last,
            number,
            relu: self.host.relu,
        };
        let mut output =
            context.empty(ElemType::F32, float, &[shape.batch, k, down.output, across.output])?;
        if channels_last {
            lay_side_by_side(&mut output);
        }
        let residual = match residual {
            Some(residual) => Some(laid_out_as(context, &tall(&residual)?, &output)?),
            None => None,
        };
        let filters = self.filters(context, inputs, &shape)?;
        let bias = self.bias(context, inputs.get(2), k)?;
        context.convolve(&Asked {
            shape,
            input: input.at(),
            filters: filters.at(),
            bias: bias.at(),
            addend: residual.as_ref().map(DeviceTensor::at),
            output: output.at(),
        })?;
        if flat {
            let dense = context.dense(&output)?;
            return one(dense.reshaped(&[shape.batch, k, across.output]));
        }
        one(output)
    }
}

impl Convolution {
    fn filters(
        &self,
        context: &Context,
        inputs: &Given<'_>,
        shape: &ConvolutionShape,
    ) -> Result<DeviceTensor> {
        let held = inputs.held(1)?;
        let number = match held {
            Held::Constant(number, _) => Owner::Constant(*number),
            _ => Owner::Step(self.step),
        };
        let value = held.host().ok_or_else(|| crate::error::OpError::invalid("filters must be fixed"))?;
        context.weight(number, Form::Filters, || {
            let plain = context.uploaded(value.tensor()?)?;
            let [k, depth] = [plain.shape[0], plain.shape[1]];
            let [height, width] = shape.kernel;
            let plain = plain.reshaped(&[k, depth, height, width]);
            if !shape.channels_last {
                return Ok(plain);
            }
            let deep = shape.input[0] / shape.groups;
            let made = context.empty(ElemType::F32, plain.dtype, &[k, height, width, deep])?;
            zero(context, &made)?;
            let inside = made.walked(&[k, height, width, depth], &made.strides, 0);
            context.copy(&plain.permuted(&[0, 2, 3, 1]), &inside)?;
            Ok(made)
        })
    }

    /// The bias, or zeros.
    fn bias(&self, context: &Context, given: Option<&Held>, channels: usize) -> Result<DeviceTensor> {
        let value = given.and_then(Held::host);
        context.weight(Owner::Step(self.step), Form::Shift, || match value {
            Some(value) => context.uploaded(value.tensor()?),
            None => context.uploaded(&Tensor::from_vec(vec![channels], vec![0f32; channels])?),
        })
    }
}

/// Strides of `[n, c, h, w]` with channels side by side.
pub(super) fn lay_side_by_side(tensor: &mut DeviceTensor) {
    let [_, c, h, w] = [0, 1, 2, 3].map(|axis| tensor.shape[axis].cast_signed());
    tensor.strides = [h * w * c, 1, w * c, c].into_iter().collect();
}

/// The images with channels side by side, zeros after them up to `channels`.
fn side_by_side(context: &Context, x: &DeviceTensor, channels: usize) -> Result<DeviceTensor> {
    const TILE: usize = 32;
    let mut wanted = DeviceTensor { ..x.clone() };
    lay_side_by_side(&mut wanted);
    let same = |(axis, stride): (usize, &isize)| x.shape[axis] == 1 || *stride == x.strides[axis];
    if channels == x.shape[1] && wanted.strides.iter().enumerate().all(same) {
        return Ok(x.clone());
    }
    let x = context.dense(x)?;
    let [n, c, h, w] = [0, 1, 2, 3].map(|axis| x.shape[axis]);
    let made = context.empty(x.elem, x.dtype, &[n, h, w, channels])?;
    if channels == CHANNELS && x.dtype.size() == 2 {
        let arguments = arguments![x.at(), made.at(), n, c, h * w];
        context.launch("few_to_nhwc", x.dtype.suffix(), Grid::over(n * h * w), &arguments)?;
        return Ok(made);
    }
    let blocks = [(h * w).div_ceil(TILE), channels.div_ceil(TILE), n].map(|count| count.min(u16::MAX.into()));
    let blocks = blocks.map(|count| u32::try_from(count).unwrap_or(1));
    let grid = Grid { blocks, threads: [32, 8, 1], shared_bytes: 0 };
    context.launch(
        "to_nhwc",
        x.dtype.suffix(),
        grid,
        &arguments![x.at(), made.at(), n, c, h * w, channels],
    )?;
    Ok(made)
}

/// `tensor` with its elements where those of `like` are.
fn laid_out_as(context: &Context, tensor: &DeviceTensor, like: &DeviceTensor) -> Result<DeviceTensor> {
    let same = |(axis, stride): (usize, &isize)| like.shape[axis] == 1 || *stride == like.strides[axis];
    if tensor.strides.iter().enumerate().all(same) {
        return Ok(tensor.clone());
    }
    let mut made = context.empty(tensor.elem, tensor.dtype, &tensor.shape)?;
    made.strides.clone_from(&like.strides);
    context.copy(tensor, &made)?;
    Ok(made)
}

/// The images with zeros around them.
fn padded(
    context: &Context,
    x: &DeviceTensor,
    [(top, bottom), (left, right)]: [(usize, usize); 2],
) -> Result<DeviceTensor> {
    let [n, c, h, w] = [0, 1, 2, 3].map(|axis| x.shape[axis]);
    let made = context.empty(x.elem, x.dtype, &[n, c, h + top + bottom, w + left + right])?;
    zero(context, &made)?;
    let start = top * made.strides[2].unsigned_abs() + left;
    context.copy(x, &made.walked(&x.shape, &made.strides, start))?;
    Ok(made)
}

/// Fills a dense tensor of floats with zeros.
fn zero(context: &Context, tensor: &DeviceTensor) -> Result<()> {
    let len = tensor.len();
    let grid = Grid::over(len.div_ceil(4));
    match tensor.dtype.size() {
        2 => context.launch("fill", "2", grid, &arguments![tensor.at(), len, 0u16]),
        _ => {
            context.launch("fill", "4", grid, &arguments![tensor.at(), len, girandole_cuda::Argument::I32(0)])
        }
    }
}
