//! A transposed convolution with packed weights whose stride is its kernel's size, and what follows it.

use std::sync::Arc;

use girandole_kernels::{
    conv::{Blocks, Finish, Grid},
    isa::Isa,
};

use super::{fits, split};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor, checked_len},
};

/// Every place of the input makes a block of outputs.
#[derive(Clone, Debug)]
pub(crate) struct NhwcConvTranspose {
    kernel: Vec<usize>,
    in_channels: usize,
    out_channels: usize,
    weights: Arc<Blocks>,
    finish: Finish,
}

impl NhwcConvTranspose {
    /// Packs ONNX's weights `[in channels, out channels, taps...]` of one or two axes; `None` where they do
    /// not fit or are not f32.
    pub(crate) fn new(weights: &Tensor, bias: Option<&Tensor>) -> Option<Self> {
        let [depth, width, kernel @ ..] = &weights.shape()[..] else { return None };
        let (lines, columns) = match kernel {
            [columns] => (1, *columns),
            [lines, columns] => (*lines, *columns),
            _ => return None,
        };
        let (data, bias) = (weights.view::<f32>().ok()?, bias.map(Tensor::view::<f32>).transpose().ok()?);
        let sizes = [*depth, *width, lines, columns];
        let weights = Blocks::new(Isa::current(), sizes, &data, bias.as_deref()).ok()?;
        Some(Self {
            kernel: kernel.to_vec(),
            in_channels: *depth,
            out_channels: *width,
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
}

impl Op for NhwcConvTranspose {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some([batch, places @ .., _]) = inputs.shape(0).map(Vec::as_slice) else {
            return Ok(vec![Fact::tensor(Some(ElemType::F32), None)]);
        };
        let larger = |(dim, kernel): (&SymDim, &usize)| {
            dim.known().and_then(|dim| dim.checked_mul(*kernel)).map_or(SymDim::Unknown, SymDim::Known)
        };
        let places = places.iter().zip(&self.kernel).map(larger);
        let channels = SymDim::Known(self.out_channels);
        let shape = std::iter::once(batch.clone()).chain(places).chain([channels]).collect();
        Ok(vec![Fact::tensor(Some(ElemType::F32), Some(shape))])
    }

    fn constant_bytes(&self) -> usize {
        self.weights.bytes()
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (batch, places, channels) = split(input.shape())?;
        if channels != self.in_channels || places.len() != self.kernel.len() {
            return Err(OpError::invalid(format!(
                "images {} do not fit a kernel {:?} of {} channels",
                input.shape(),
                self.kernel,
                self.in_channels
            )));
        }
        let larger = places.iter().zip(&self.kernel).map(|(place, kernel)| place.saturating_mul(*kernel));
        let shape: Vec<usize> = std::iter::once(batch).chain(larger).chain([self.out_channels]).collect();
        checked_len::<f32>(&shape)?;
        let columns = places.last().copied().unwrap_or(1);
        let rows = batch * places.iter().rev().skip(1).product::<usize>();
        let made = self.weights.run(Grid { rows, columns }, &input.view::<f32>()?, self.finish);
        one(Tensor::from_vec(shape, fits(made.ok())?)?)
    }
}
