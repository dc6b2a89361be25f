//! The mean over all places of an image: `GlobalAveragePool`, and `ReduceMean` over the axes of places.

use girandole_kernels::{isa::Isa, pooling};

use super::{fits, split};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor},
};

/// A mean for each channel.
#[derive(Debug)]
pub(crate) struct NhwcMean {
    /// Whether the axes of places stay, with size 1.
    pub(crate) keep: bool,
}

impl NhwcMean {
    fn shape<T: Clone>(&self, batch: T, axes: usize, one: T, channels: T) -> Vec<T> {
        let kept = std::iter::repeat_n(one, if self.keep { axes } else { 0 });
        std::iter::once(batch).chain(kept).chain([channels]).collect()
    }
}

impl Op for NhwcMean {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match inputs.shape(0).map(Vec::as_slice) {
            Some([batch, places @ .., channels]) => {
                Some(self.shape(batch.clone(), places.len(), SymDim::Known(1), channels.clone()))
            }
            _ => None,
        };
        Ok(vec![Fact::tensor(Some(ElemType::F32), shape)])
    }

    fn is_by_image(&self) -> bool {
        true
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (batch, axes, channels) = split(input.shape())?;
        let places = axes.iter().product();
        if places == 0 {
            return Err(OpError::invalid(format!("a mean over no places: {}", input.shape())));
        }
        let means = pooling::mean(Isa::current(), batch, places, channels, &input.view::<f32>()?);
        one(Tensor::from_vec(self.shape(batch, axes.len(), 1, channels), fits(means)?)?)
    }
}
