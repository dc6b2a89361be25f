//! Convolutions of bytes: `ConvInteger` (sums) and `QLinearConv` (sums on a grid). For each image and group
//! the inputs under each output are gathered as the rows of a product with the weights.

use girandole_kernels::integer::{self, Into, Right};

use super::{
    bytes::{Bytes, each, misfit, scales, spread, zeros},
    matmul::Made,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::window::{self, Window},
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        nn::{
            conv::groups,
            window::{WindowSpec, output_shape, split},
        },
        one,
    },
    value::{ElemType, Tensor, checked_len},
};

pub(crate) const OPS: &[OpDef] = &[
    OpDef::onnx("ConvInteger", 10, |node| parse(node, Form::Sums)),
    OpDef::onnx("QLinearConv", 10, |node| parse(node, Form::Grid)),
];

/// What the operator makes of its inputs and of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `X, W, zero X, zero W`.
    Sums,
    /// `X, scale X, zero X, W, scale W, zero W, scale Y, zero Y, bias`.
    Grid,
}

#[derive(Debug)]
struct IntegerConv {
    form: Form,
    window: WindowSpec,
    groups: usize,
}

fn parse(node: &NodeDef<'_>, form: Form) -> Result<Box<dyn Op>> {
    boxed(IntegerConv { form, window: WindowSpec::parse(node)?, groups: groups(node)? })
}

impl Op for IntegerConv {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let (weights, elem) = match self.form {
            Form::Sums => (1, Some(ElemType::I32)),
            Form::Grid => (3, inputs.elem(7)),
        };
        let (Some(input), Some(weights)) = (inputs.shape(0), inputs.shape(weights)) else {
            return Ok(vec![Fact::tensor(elem, None)]);
        };
        let kernel: Option<Vec<usize>> = weights.iter().skip(2).map(SymDim::known).collect();
        let Some(kernel) = kernel.filter(|_| input.len() > 2 && weights.len() > 2) else {
            return Ok(vec![Fact::tensor(elem, None)]);
        };
        let mut shape = vec![input[0].clone(), weights[0].clone()];
        shape.extend(self.window.infer(&input[2..], &kernel)?);
        Ok(vec![Fact::tensor(elem, Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        match self.form {
            Form::Sums => {
                let (input_zeros, weight_zeros) =
                    (zeros(inputs.opt_tensor(2)?)?, zeros(inputs.opt_tensor(3)?)?);
                let conv = self.over(inputs.tensor(0)?, inputs.tensor(1)?, &input_zeros, weight_zeros)?;
                let out: Vec<i32> = conv.run(|_, sums, to| to.copy_from_slice(sums))?;
                one(Tensor::from_vec(&conv.shape()[..], out)?)
            }
            Form::Grid => self.grid(&inputs),
        }
    }
}

impl IntegerConv {
    fn grid(&self, inputs: &Inputs) -> Result<Outputs> {
        let (input_zeros, weight_zeros) = (zeros(inputs.opt_tensor(2)?)?, zeros(inputs.opt_tensor(5)?)?);
        let conv = self.over(inputs.tensor(0)?, inputs.tensor(3)?, &input_zeros, weight_zeros)?;
        let made = Made::new(&scales(inputs.tensor(6)?)?, inputs.tensor(7)?)?;
        let input_scale = inputs.tensor(1)?.to_scalar::<f32>()?;
        let weight_scales = each(&scales(inputs.tensor(4)?)?, conv.channels)?;
        let bias = match inputs.opt_tensor(8)? {
            Some(bias) if bias.len() == conv.channels => bias.to_vec::<i32>()?,
            Some(bias) => return Err(OpError::invalid(format!("a bias of {bias:?} does not fit"))),
            None => vec![0; conv.channels],
        };
        let out: Vec<u8> = conv.run(|first, sums, to| {
            for (i, (to, sum)) in to.iter_mut().zip(sums).enumerate() {
                let channel = first + i;
                *to = made.byte(sum.wrapping_add(bias[channel]), input_scale * weight_scales[channel]);
            }
        })?;
        one(made.tensor(&conv.shape(), out)?)
    }

    fn over<'a>(
        &self,
        input: &'a Tensor,
        weights: &'a Tensor,
        input_zeros: &[i32],
        weight_zeros: Vec<i32>,
    ) -> Result<Conv<'a>> {
        let (batch, in_channels, spatial) = split(input.shape())?;
        let (channels, depth, kernel) = split(weights.shape())?;
        if depth.checked_mul(self.groups) != Some(in_channels) || !channels.is_multiple_of(self.groups) {
            return Err(OpError::invalid(format!(
                "weights of {} in {} groups do not fit an input of {in_channels} channels",
                weights.shape(),
                self.groups
            )));
        }
        let ([] | [_]) = input_zeros else {
            return Err(OpError::invalid("expected one zero point of the input"));
        };
        Ok(Conv {
            window: self.window.resolve(spatial, kernel)?,
            axes: spatial.len(),
            batch,
            groups: self.groups,
            channels,
            depth,
            input: Bytes::of(input)?,
            weights: Bytes::of(weights)?,
            input_zero: input_zeros.first().copied().unwrap_or(0),
            weight_zeros,
        })
    }
}

/// A convolution with its operands.
struct Conv<'a> {
    window: Window,
    axes: usize,
    batch: usize,
    groups: usize,
    channels: usize,
    /// Input channels of a group.
    depth: usize,
    input: Bytes<'a>,
    weights: Bytes<'a>,
    input_zero: i32,
    weight_zeros: Vec<i32>,
}

impl Conv<'_> {
    fn shape(&self) -> Vec<usize> {
        output_shape(self.batch, self.channels, &self.window, self.axes).to_vec()
    }

    /// The results; `finish` gets the first channel of neighbouring sums.
    fn run<T: Copy + Default + Send>(
        &self,
        finish: impl Fn(usize, &[i32], &mut [T]) + Sync,
    ) -> Result<Vec<T>> {
        let group_channels = self.channels / self.groups;
        let rows = self.depth.saturating_mul(window::taps(&self.window));
        let weights = self.weights()?;
        let mut out = Vec::with_capacity(checked_len::<T>(&self.shape())?);
        for image in 0..self.batch {
            for (group, right) in weights.iter().enumerate() {
                let gathered = self.gather(image * self.groups + group, rows)?;
                let left = self.input.left(&gathered, window::outputs(&self.window), rows)?;
                let first = group * group_channels;
                let zeros = match &self.weight_zeros[..] {
                    all if all.len() == self.channels => &all[first..first + group_channels],
                    all => all,
                };
                let right = (right, spread(zeros, group_channels)?);
                let left = (&left, integer::Zeros::One(self.input_zero));
                let finish = |(_, column): (usize, usize), sums: &[i32], to: &mut [T]| {
                    finish(first + column, sums, to);
                };
                out.extend(integer::product(left, right, Into::Columns, finish).ok_or_else(misfit)?);
            }
        }
        Ok(out)
    }

    /// The weights of each group, packed.
    fn weights(&self) -> Result<Vec<Right>> {
        let group_channels = self.channels / self.groups;
        let rows = self.depth.saturating_mul(window::taps(&self.window));
        let size = group_channels.saturating_mul(rows);
        let group = |group: usize| {
            let raw = self.weights.raw().get(group * size..(group + 1) * size).ok_or_else(misfit)?;
            self.weights.turned_right(raw, rows, group_channels)
        };
        (0..self.groups).map(group).collect()
    }

    /// The bytes under each output of one group of an image, padding as the zero point.
    fn gather(&self, group: usize, row: usize) -> Result<Vec<u8>> {
        let places = window::inputs(&self.window);
        let begin = group * self.depth * places;
        let input = self.input.raw().get(begin..begin + self.depth * places).ok_or_else(misfit)?;
        // The zero point is a byte of the input's type.
        let padding = self.input_zero as u8;
        let mut rows = vec![padding; checked_len::<u8>(&[window::outputs(&self.window), row])?];
        let [deep, high, wide] = &self.window;
        for (at, row) in rows.chunks_exact_mut(row.max(1)).enumerate() {
            let outs = [at / wide.output / high.output, at / wide.output % high.output, at % wide.output];
            let taps = row.chunks_exact_mut(wide.kernel.max(1)).enumerate();
            for (tap, line) in taps {
                let (channel, z, y) =
                    (tap / high.kernel / deep.kernel, tap / high.kernel % deep.kernel, tap % high.kernel);
                let (Some(z), Some(y)) = (deep.place(outs[0], z), high.place(outs[1], y)) else { continue };
                let from = (channel * deep.input + z) * high.input * wide.input + y * wide.input;
                for x in wide.taps(outs[2]) {
                    if let Some(place) = wide.place(outs[2], x) {
                        line[x] = input[from + place];
                    }
                }
            }
        }
        Ok(rows)
    }
}
