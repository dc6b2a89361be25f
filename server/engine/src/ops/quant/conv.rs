//! Convolutions of bytes: `ConvInteger` (sums) and `QLinearConv` (sums on a grid). For each image and group
//! the inputs under each output are gathered as the rows of a product with the weights, which are packed when
//! the model is loaded where it fixes them; their input is then left out.

use std::sync::Arc;

use girandole_kernels::{
    integer::{self, Into, Right},
    pool,
};

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

/// Gathered bytes that are worth a task of their own.
const TASK: usize = 1 << 15;

/// What the operator makes of its inputs and of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `X, W, zero X, zero W`.
    Sums,
    /// `X, scale X, zero X, W, scale W, zero W, scale Y, zero Y, bias`.
    Grid,
}

impl Form {
    /// Which input is the weights.
    const fn weights(self) -> usize {
        match self {
            Self::Sums => 1,
            Self::Grid => 3,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct IntegerConv {
    form: Form,
    window: WindowSpec,
    groups: usize,
    packed: Option<Arc<Filters>>,
}

/// Weights, packed.
#[derive(Debug)]
struct Filters {
    channels: usize,
    /// Input channels of a group.
    depth: usize,
    kernel: Vec<usize>,
    /// The weights of each group.
    groups: Vec<Right>,
}

impl Filters {
    fn new(weights: &Tensor, groups: usize) -> Result<Self> {
        let (channels, depth, kernel) = split(weights.shape())?;
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(OpError::invalid(format!("{channels} channels are no {groups} groups")));
        }
        let bytes = Bytes::of(weights)?;
        let (wide, rows) = (channels / groups, depth.saturating_mul(kernel.iter().product()));
        let size = wide.saturating_mul(rows);
        let group = |group: usize| {
            let raw = bytes.raw().get(group * size..(group + 1) * size).ok_or_else(misfit)?;
            bytes.turned_right(raw, rows, wide)
        };
        let packed = (0..groups).map(group).collect::<Result<_>>()?;
        Ok(Self { channels, depth, kernel: kernel.to_vec(), groups: packed })
    }
}

fn parse(node: &NodeDef<'_>, form: Form) -> Result<Box<dyn Op>> {
    boxed(IntegerConv { form, window: WindowSpec::parse(node)?, groups: groups(node)?, packed: None })
}

impl Op for IntegerConv {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let elem = match self.form {
            Form::Sums => Some(ElemType::I32),
            Form::Grid => inputs.elem(7),
        };
        let filters = self.filters_of(inputs);
        let input = inputs.shape(0).filter(|input| input.len() > 2);
        let (Some(input), Some((channels, kernel))) = (input, filters) else {
            return Ok(vec![Fact::tensor(elem, None)]);
        };
        let mut shape = vec![input[0].clone(), channels];
        shape.extend(self.window.infer(&input[2..], &kernel)?);
        Ok(vec![Fact::tensor(elem, Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        match self.form {
            Form::Sums => {
                let (input_zeros, weight_zeros) =
                    (zeros(inputs.opt_tensor(2)?)?, zeros(inputs.opt_tensor(3)?)?);
                let filters = self.filters(&inputs)?;
                let conv = self.over(inputs.tensor(0)?, &filters, &input_zeros, weight_zeros)?;
                let out: Vec<i32> = conv.run(|_, sums, to| to.copy_from_slice(sums))?;
                one(Tensor::from_vec(&conv.shape()[..], out)?)
            }
            Form::Grid => self.grid(&inputs),
        }
    }
}

impl IntegerConv {
    /// The same operator over weights that the model fixes, its input `weights` left out; `None` where they are
    /// packed already or do not fit.
    pub(crate) fn packed(&self, weights: &Tensor) -> Option<Self> {
        let filters = Filters::new(weights, self.groups).ok().filter(|_| self.packed.is_none())?;
        Some(Self { packed: Some(Arc::new(filters)), ..self.clone() })
    }

    /// Which input is the weights.
    pub(crate) const fn weights(&self) -> usize {
        self.form.weights()
    }

    fn filters(&self, inputs: &Inputs) -> Result<Arc<Filters>> {
        match &self.packed {
            Some(packed) => Ok(Arc::clone(packed)),
            None => Filters::new(inputs.tensor(self.form.weights())?, self.groups).map(Arc::new),
        }
    }

    /// Output channels and the kernel's sizes, where they are known.
    fn filters_of(&self, inputs: &Facts<'_>) -> Option<(SymDim, Vec<usize>)> {
        if let Some(packed) = &self.packed {
            return Some((SymDim::Known(packed.channels), packed.kernel.clone()));
        }
        let [channels, _, kernel @ ..] = inputs.shape(self.form.weights())?.as_slice() else { return None };
        let kernel: Option<Vec<usize>> = kernel.iter().map(SymDim::known).collect();
        Some((channels.clone(), kernel.filter(|kernel| !kernel.is_empty())?))
    }

    fn grid(&self, inputs: &Inputs) -> Result<Outputs> {
        let (input_zeros, weight_zeros) = (zeros(inputs.opt_tensor(2)?)?, zeros(inputs.opt_tensor(5)?)?);
        let filters = self.filters(inputs)?;
        let conv = self.over(inputs.tensor(0)?, &filters, &input_zeros, weight_zeros)?;
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
        filters: &'a Filters,
        input_zeros: &[i32],
        weight_zeros: Vec<i32>,
    ) -> Result<Conv<'a>> {
        let (batch, in_channels, spatial) = split(input.shape())?;
        if filters.depth.checked_mul(self.groups) != Some(in_channels) {
            return Err(OpError::invalid(format!(
                "weights of {} input channels in {} groups do not fit an input of {in_channels} channels",
                filters.depth, self.groups
            )));
        }
        let ([] | [_]) = input_zeros else {
            return Err(OpError::invalid("expected one zero point of the input"));
        };
        Ok(Conv {
            window: self.window.resolve(spatial, &filters.kernel)?,
            axes: spatial.len(),
            batch,
            channels: filters.channels,
            filters,
            input: Bytes::of(input)?,
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
    channels: usize,
    filters: &'a Filters,
    input: Bytes<'a>,
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
        let weights = &self.filters.groups;
        let group_channels = self.channels / weights.len().max(1);
        let rows = self.filters.depth.saturating_mul(window::taps(&self.window));
        let mut out = Vec::with_capacity(checked_len::<T>(&self.shape())?);
        for image in 0..self.batch {
            for (group, right) in weights.iter().enumerate() {
                let gathered = self.gather(image * weights.len() + group, rows)?;
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

    /// The bytes under each output of one group of an image, padding as the zero point.
    fn gather(&self, group: usize, row: usize) -> Result<Vec<u8>> {
        let places = window::inputs(&self.window);
        let size = self.filters.depth * places;
        let input = self.input.raw().get(group * size..(group + 1) * size).ok_or_else(misfit)?;
        // The zero point is a byte of the input's type.
        let padding = self.input_zero as u8;
        let mut rows = vec![padding; checked_len::<u8>(&[window::outputs(&self.window), row])?];
        let row = row.max(1);
        let rows_of_task = TASK.div_ceil(row);
        pool::chunks(&mut rows, rows_of_task * row, |task, rows| {
            for (i, row) in rows.chunks_exact_mut(row).enumerate() {
                self.gather_row(input, task * rows_of_task + i, row);
            }
        });
        Ok(rows)
    }

    /// The bytes under output `at`; `row` holds the padding.
    fn gather_row(&self, input: &[u8], at: usize, row: &mut [u8]) {
        let [deep, high, wide] = &self.window;
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
}
