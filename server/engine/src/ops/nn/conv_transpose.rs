//! `ConvTranspose`: the gradient of a convolution, used to make images larger. Since opset 1; 11 defines
//! defaults of strides and dilations, 22 adds bf16.
//!
//! Weights are `[channels, out channels / groups, taps...]`. With `output_shape` or SAME padding the padding
//! follows from the sizes; odd padding goes to the end for SAME_UPPER and to the beginning otherwise.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::{
        conv::{self, Geometry, Operands},
        window::{Axis, Window},
    },
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::checked_len,
};

use super::{
    conv::{check_bias, groups},
    real::{self, elements, opt_elements, real},
    window::{AutoPad, MAX_AXES, WindowSpec, extent, sizes, split},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("ConvTranspose", 1, parse)];

/// `ConvTranspose`.
#[derive(Clone, Debug)]
pub(crate) struct ConvTranspose {
    pub(crate) window: WindowSpec,
    pub(crate) groups: usize,
    output_padding: Vec<usize>,
    /// Empty where the node leaves it out.
    output_shape: Vec<usize>,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(ConvTranspose {
        window: WindowSpec::parse(node)?,
        groups: groups(node)?,
        output_padding: sizes(node, "output_padding", 0)?,
        output_shape: sizes(node, "output_shape", 0)?,
    })
}

impl ConvTranspose {
    /// Whether a kernel of this size makes a block of outputs of its own from each input place.
    pub(crate) fn makes_blocks(&self, kernel: &[usize]) -> bool {
        let axes = kernel.len();
        let plain = self.groups == 1
            && self.output_shape.is_empty()
            && self.output_padding.iter().all(|&extra| extra == 0)
            && matches!(self.window.auto_pad, AutoPad::Explicit | AutoPad::Valid)
            && (self.window.kernel.is_empty() || self.window.kernel == kernel);
        let axis = |(i, &kernel): (usize, &usize)| {
            self.window.steps(i, axes).is_ok_and(|(stride, dilation, begin, end)| {
                (stride, dilation, begin, end) == (kernel, 1, 0, 0)
            })
        };
        plain && kernel.iter().enumerate().all(axis)
    }

    /// The axis of the convolution that is undone: its outputs are our input's places.
    fn axis(&self, i: usize, axes: usize, places: usize, kernel: usize) -> Result<Axis> {
        let (stride, dilation, pad_begin, pad_end) = self.window.steps(i, axes)?;
        let extra = self.output_padding.get(i).copied().unwrap_or(0);
        let axis = Axis { input: 0, output: places, kernel, stride, dilation, pad_begin, pad_end };
        let full = places
            .checked_sub(1)
            .and_then(|last| last.checked_mul(stride))
            .and_then(|reach| reach.checked_add(extent(&axis)))
            .and_then(|reach| reach.checked_add(extra))
            .filter(|_| kernel > 0)
            .ok_or_else(|| OpError::invalid("the input is empty or too large"))?;
        let axis = self.padded(axis, i, axes, full);
        let input = full.checked_sub(axis.pad_begin).and_then(|rest| rest.checked_sub(axis.pad_end));
        let missing = self.wanted(&axis, i, axes).map_or(0, |wanted| wanted.saturating_sub(full));
        let input = input.and_then(|input| input.checked_add(missing)).ok_or_else(|| {
            OpError::invalid(format!("{pad_begin} and {pad_end} of padding leave nothing of {full} places"))
        })?;
        Ok(Axis { input, ..axis })
    }

    /// The size that the node asks for.
    fn wanted(&self, axis: &Axis, i: usize, axes: usize) -> Option<usize> {
        let given =
            self.output_shape.len().checked_sub(axes).and_then(|skip| self.output_shape.get(skip + i));
        match self.window.auto_pad {
            _ if given.is_some() => given.copied(),
            AutoPad::SameUpper | AutoPad::SameLower => Some(axis.output.saturating_mul(axis.stride)),
            AutoPad::Explicit | AutoPad::Valid => None,
        }
    }

    fn padded(&self, axis: Axis, i: usize, axes: usize, full: usize) -> Axis {
        let Some(wanted) = self.wanted(&axis, i, axes) else { return axis };
        let total = full.saturating_sub(wanted);
        let (less, more) = (total / 2, total.div_ceil(2));
        match self.window.auto_pad {
            AutoPad::SameUpper => Axis { pad_begin: less, pad_end: more, ..axis },
            _ => Axis { pad_begin: more, pad_end: less, ..axis },
        }
    }

    fn axes(&self, spatial: &[usize], kernel: &[usize]) -> Result<Window> {
        let skip = MAX_AXES.checked_sub(spatial.len()).filter(|_| spatial.len() == kernel.len());
        let skip = skip.ok_or_else(|| {
            OpError::unsupported(format!("a kernel of {} axes over {}", kernel.len(), spatial.len()))
        })?;
        if !self.window.kernel.is_empty() && self.window.kernel != kernel {
            return Err(OpError::invalid("kernel_shape differs from the weights'"));
        }
        let mut window = [Axis::ONE; MAX_AXES];
        for (i, (&places, &kernel)) in spatial.iter().zip(kernel).enumerate() {
            window[skip + i] = self.axis(i, spatial.len(), places, kernel)?;
        }
        Ok(window)
    }

    fn geometry(&self, input: &[usize], weights: &[usize]) -> Result<Geometry> {
        let (batch, in_channels, spatial) = split(input)?;
        let (depth, group_outputs, kernel) = split(weights)?;
        if depth != in_channels || !in_channels.is_multiple_of(self.groups) {
            return Err(OpError::invalid(format!(
                "weights {weights:?} in {} groups do not fit an input of {in_channels} channels",
                self.groups
            )));
        }
        let window = self.axes(spatial, kernel)?;
        let out_channels = group_outputs
            .checked_mul(self.groups)
            .ok_or_else(|| OpError::invalid("there are too many groups"))?;
        Ok(Geometry { batch, groups: self.groups, in_channels, out_channels, window })
    }
}

impl Op for ConvTranspose {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let fact = |shape| vec![Fact::tensor(inputs.elem(0), shape)];
        let (Some(input), Some(weights)) = (inputs.shape(0), inputs.shape(1)) else {
            return Ok(fact(None));
        };
        let known: Option<Vec<usize>> = weights.iter().map(SymDim::known).collect();
        let Some(weights) = known.filter(|weights| weights.len() == input.len() && input.len() > 2) else {
            return Ok(fact(None));
        };
        let channels = SymDim::Known(weights[1].saturating_mul(self.groups));
        let axes = input.len() - 2;
        let mut shape = vec![input[0].clone(), channels];
        for (i, (dim, &kernel)) in input[2..].iter().zip(&weights[2..]).enumerate() {
            shape.push(match dim {
                SymDim::Known(places) if *places > 0 => {
                    SymDim::Known(self.axis(i, axes, *places, kernel)?.input)
                }
                _ => SymDim::Unknown,
            });
        }
        Ok(fact(Some(shape)))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, weights, bias) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        let geometry = self.geometry(input.shape(), weights.shape())?;
        check_bias(bias, geometry.out_channels)?;
        let spatial = geometry.window.iter().skip(MAX_AXES + 2 - input.rank()).map(|axis| axis.input);
        let shape: SmallVec<[usize; 6]> =
            [geometry.batch, geometry.out_channels].into_iter().chain(spatial).collect();
        real!(input.elem(), T => {
            let mut out = vec![T::default(); checked_len::<T>(&shape)?];
            let (x, w, bias) = (elements::<T>(input)?, elements::<T>(weights)?, opt_elements::<T>(bias)?);
            let operands = Operands { input: &x, weights: &w, bias: bias.as_deref() };
            conv::run_transpose(&geometry, operands, &mut out)?;
            one(real::tensor(input.elem(), &shape, out)?)
        })
    }
}
