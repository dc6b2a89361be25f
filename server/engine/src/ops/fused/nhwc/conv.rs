//! A convolution with packed weights, and what follows it: a residual, an activation, an affine function.

use std::sync::Arc;

use girandole_kernels::{
    conv::{Depthwise, Filters, Finish, Form, Mixed, Planes, Sizes, Winograd},
    isa::Isa,
};

use super::{fits, made, split};
use crate::{
    Exactness,
    error::{OpError, Result},
    graph::{Fact, SymDim, SymShape},
    ops::{
        Facts, Inputs, Op, Outputs, RunContext,
        math::binary::arithmetic::Arithmetic,
        nn::window::{self, WindowSpec},
        one,
    },
    value::{ElemType, Tensor, checked_len},
};

/// A convolution of input 0; input 1, where it is given, is added to its sums.
#[derive(Clone, Debug)]
pub(crate) struct NhwcConv {
    window: WindowSpec,
    kernel: Vec<usize>,
    in_channels: usize,
    out_channels: usize,
    weights: Arc<Weights>,
    finish: Finish,
}

#[derive(Debug)]
enum Weights {
    /// Of an input in ONNX's order.
    Planes(Planes),
    Depthwise(Depthwise),
    Mixed(Mixed),
    Winograd(Winograd),
}

/// In which order the input's dimensions stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Planes,
    Channels,
}

impl NhwcConv {
    /// Packs ONNX's weights `[out channels, in channels / groups, taps...]`; `None` where they do not fit, or
    /// are not f32, or where groups of an input in ONNX's order are asked for.
    pub(crate) fn new(
        window: &WindowSpec,
        groups: usize,
        weights: &Tensor,
        bias: Option<&Tensor>,
        takes: Takes,
        exactness: Exactness,
    ) -> Option<Self> {
        let [out_channels, depth, kernel @ ..] = &weights.shape()[..] else { return None };
        let in_channels = depth.checked_mul(groups)?;
        let (data, bias) = (weights.view::<f32>().ok()?, bias.map(Tensor::view::<f32>).transpose().ok()?);
        let filters = Filters {
            groups,
            in_channels,
            out_channels: *out_channels,
            weights: &data,
            bias: bias.as_deref(),
        };
        let weights = match takes {
            Takes::Planes => Weights::Planes(Planes::new(Isa::current(), &filters)?),
            Takes::Channels if *depth == 1 && *out_channels == groups => {
                Weights::Depthwise(Depthwise::new(groups, &data, bias.as_deref())?)
            }
            Takes::Channels => match form(window, kernel, &filters, exactness) {
                Some(form) => Weights::Winograd(Winograd::new(Isa::current(), form, &filters)?),
                None => Weights::Mixed(Mixed::new(Isa::current(), &filters)?),
            },
        };
        Some(Self {
            window: window.clone(),
            kernel: kernel.to_vec(),
            in_channels,
            out_channels: *out_channels,
            weights: Arc::new(weights),
            finish: Finish::NONE,
        })
    }

    /// What happens to the sums.
    pub(crate) const fn finish(&self) -> Finish {
        self.finish
    }

    /// The same with another finish.
    pub(crate) fn finished(&self, finish: Finish) -> Self {
        Self { finish, ..self.clone() }
    }

    /// Whether a residual may be added.
    pub(crate) fn takes_residual(&self) -> bool {
        matches!(*self.weights, Weights::Mixed(_) | Weights::Winograd(_))
    }

    fn takes(&self) -> Takes {
        if matches!(*self.weights, Weights::Planes(_)) { Takes::Planes } else { Takes::Channels }
    }

    fn shape(&self, input: &SymShape) -> Result<Option<SymShape>> {
        let places = match (self.takes(), &input[..]) {
            (Takes::Planes, [_, _, places @ ..]) | (Takes::Channels, [_, places @ .., _]) => places,
            _ => return Ok(None),
        };
        let Some(batch) = input.first() else { return Ok(None) };
        let made = self.window.infer(places, &self.kernel)?;
        let channels = SymDim::Known(self.out_channels);
        Ok(Some(std::iter::once(batch.clone()).chain(made).chain([channels]).collect()))
    }
}

/// The form of Winograd's algorithm that pays for a convolution; `None` where none does.
fn form(window: &WindowSpec, kernel: &[usize], filters: &Filters<'_>, exactness: Exactness) -> Option<Form> {
    /// With fewer channels transforming takes longer than what is saved.
    const FEWEST: usize = 16;
    /// Weights from which on F(4,3)'s, four times as many, take longer to read than what is saved.
    const MOST: usize = 160 * 160;
    let channels = filters.in_channels.min(filters.out_channels);
    if kernel != [3, 3] || !window.is_dense() || filters.groups != 1 || channels < FEWEST {
        return None;
    }
    let weights = filters.in_channels.saturating_mul(filters.out_channels);
    match exactness {
        Exactness::Exact => None,
        Exactness::Close => Some(Form::Two),
        Exactness::Fast => Some(if weights > MOST { Form::Two } else { Form::Four }),
    }
}

impl Op for NhwcConv {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| self.shape(shape)).transpose()?.flatten();
        Ok(vec![Fact::tensor(Some(ElemType::F32), shape)])
    }

    fn constant_bytes(&self) -> usize {
        match &*self.weights {
            Weights::Planes(conv) => conv.bytes(),
            Weights::Depthwise(conv) => conv.bytes(),
            Weights::Mixed(conv) => conv.bytes(),
            Weights::Winograd(conv) => conv.bytes(),
        }
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let (input, residual) = (inputs.tensor(0)?, inputs.opt_tensor(1)?);
        let (batch, places, channels) = match self.takes() {
            Takes::Planes => {
                let (batch, channels, places) = window::split(input.shape())?;
                (batch, places, channels)
            }
            Takes::Channels => split(input.shape())?,
        };
        let resolved = self.window.resolve(places, &self.kernel)?;
        let (shape, sizes) = made(batch, resolved, places.len(), self.out_channels);
        checked_len::<f32>(&shape)?;
        if channels != self.in_channels {
            let expected = self.in_channels;
            return Err(OpError::invalid(format!(
                "expected an input of {expected} channels, got {channels}"
            )));
        }
        // Sizes that are known only now may turn out to differ, and the sum to be one that broadcasts.
        let inside = residual.is_none_or(|residual| residual.shape()[..] == shape);
        let finish = if inside { self.finish } else { Finish::NONE };
        let sums = self.sums(&sizes, input, residual.filter(|_| inside), finish)?;
        let sums = Tensor::from_vec(shape, sums)?;
        match residual.filter(|_| !inside) {
            Some(residual) => self.broadcast(sums, residual, run),
            None => one(sums),
        }
    }
}

impl NhwcConv {
    fn sums(
        &self,
        sizes: &Sizes,
        input: &Tensor,
        residual: Option<&Tensor>,
        finish: Finish,
    ) -> Result<Vec<f32>> {
        let (x, residual) = (input.view::<f32>()?, residual.map(Tensor::view::<f32>).transpose()?);
        fits(match &*self.weights {
            Weights::Planes(conv) => conv.run(sizes, &x, finish),
            Weights::Depthwise(conv) => conv.run(Isa::current(), sizes, &x, finish),
            Weights::Mixed(conv) => conv.run(sizes, &x, residual.as_deref(), finish),
            Weights::Winograd(conv) => conv.run(sizes, &x, residual.as_deref(), finish),
        })
    }

    /// Adds a residual of another shape, then finishes.
    fn broadcast(&self, sums: Tensor, residual: &Tensor, run: &RunContext) -> Result<Outputs> {
        let terms = vec![Some(sums.into()), Some(residual.clone().into())];
        let sums = Arithmetic::Add.eval(Inputs::new(terms), run)?;
        let Some(sums) = sums.first() else { return Ok(sums) };
        let mut finished = sums.tensor()?.to_vec::<f32>()?;
        self.finish.each(Isa::current(), &mut finished);
        one(Tensor::from_vec(sums.tensor()?.shape().clone(), finished)?)
    }
}
