//! `MaxPool` and `AveragePool` with channels innermost.

use girandole_kernels::{
    isa::Isa,
    pooling::{self, Pooling},
};

use super::{fits, made, split};
use crate::{
    error::Result,
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, nn::window::WindowSpec, one},
    value::{ElemType, Tensor, checked_len},
};

/// A pool.
#[derive(Debug)]
pub(crate) struct NhwcPool {
    pub(crate) window: WindowSpec,
    pub(crate) kind: Pooling,
}

impl Op for NhwcPool {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let Some([batch, places @ .., channels]) = inputs.shape(0).map(Vec::as_slice) else {
            return Ok(vec![Fact::tensor(Some(ElemType::F32), None)]);
        };
        let made = self.window.infer(places, self.window.required_kernel()?)?;
        let shape = std::iter::once(batch.clone()).chain(made).chain([channels.clone()]).collect();
        Ok(vec![Fact::tensor(Some(ElemType::F32), Some(shape))])
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (batch, places, channels) = split(input.shape())?;
        let window = self.window.resolve(places, self.window.required_kernel()?)?;
        let (shape, sizes) = made(batch, window, places.len(), channels);
        checked_len::<f32>(&shape)?;
        let pooled = pooling::pool(Isa::current(), self.kind, &sizes, channels, &input.view::<f32>()?);
        one(Tensor::from_vec(shape, fits(pooled)?)?)
    }
}
