//! A part of a graph in which no image of a batch has to do with another: images go through all of it one
//! by one, so that what one operator makes is still in the cache when the next one reads it, and each thread
//! has its own images instead of its share of every operator.
//!
//! Invariant: the outputs are those of the whole batch at once. Where a run shows that first dimensions are
//! not what the graph says, the batch is run as a whole.

use std::sync::{Arc, OnceLock};

use girandole_core::Shape;
use girandole_kernels::pool;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, tensor::concat::Concat},
    plan::Plan,
    value::{Tensor, Value},
};

/// The part, as a plan of its own whose inputs and outputs all have images along their first dimension.
#[derive(Clone, Debug)]
pub(crate) struct ByImage {
    plan: Arc<Plan>,
}

impl ByImage {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan: Arc::new(plan) }
    }

    /// The number of images, where all inputs have as many; `None` where they do not.
    fn images(inputs: &Inputs) -> Result<Option<usize>> {
        let mut counts = inputs.tensors()?.into_iter().map(|tensor| tensor.shape().first().copied());
        let first = counts.next().flatten();
        Ok(if counts.all(|count| count == first) { first } else { None })
    }

    /// The outputs of one image.
    fn image(&self, inputs: &Inputs, image: usize, run: &RunContext) -> Result<Vec<Value>> {
        let parts = inputs.tensors()?.into_iter().map(|tensor| {
            let part = tensor.candle()?.narrow(0, image, 1)?;
            Tensor::from_candle(part).map(Value::Tensor)
        });
        self.plan.run(parts.collect::<Result<_>>()?, run)
    }

    /// The outputs of every image: whole images by thread, and those left over by all threads together.
    fn each(&self, inputs: &Inputs, images: usize, run: &RunContext) -> Result<Vec<Vec<Value>>> {
        let threads = pool::threads();
        let shared = if threads == 1 { 0 } else { images - images % threads };
        let made: Vec<OnceLock<Result<Vec<Value>>>> = (0..shared).map(|_| OnceLock::new()).collect();
        pool::run(shared, &|image| {
            if let Some(place) = made.get(image) {
                let _ = place.set(self.image(inputs, image, run));
            }
        });
        let missing = || Err(OpError::invalid("an image was left out"));
        let rest = (shared..images).map(|image| self.image(inputs, image, run));
        made.into_iter().map(|made| made.into_inner().unwrap_or_else(missing)).chain(rest).collect()
    }
}

impl Op for ByImage {
    fn infer(&self, _inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(self.plan.outputs().map(|info| info.fact.clone()).collect())
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        let images = Self::images(&inputs)?.filter(|&images| images > 1 && images >= pool::threads());
        if let Some(images) = images
            && let Some(made) = joined(&self.each(&inputs, images, run)?, run)?
        {
            return Ok(made);
        }
        let values = inputs.into_values().into_iter().flatten().collect();
        Ok(self.plan.run(values, run)?.into())
    }

    fn body(&self) -> Option<&Plan> {
        Some(&self.plan)
    }

    fn constant_bytes(&self) -> usize {
        self.plan.constant_bytes()
    }
}

/// The outputs of all images, one image after the other; `None` where an output is not of one image.
fn joined(images: &[Vec<Value>], run: &RunContext) -> Result<Option<Outputs>> {
    let mut outputs = Outputs::new();
    for index in 0..images.first().map_or(0, Vec::len) {
        let parts: Vec<Option<Value>> = images.iter().map(|made| made.get(index).cloned()).collect();
        let parts = Inputs::new(parts);
        let shapes: Vec<&Shape> = parts.tensors()?.into_iter().map(Tensor::shape).collect();
        let of_one = |shape: &&Shape| shape.first() == Some(&1) && Some(shape) == shapes.first();
        if !shapes.iter().all(of_one) {
            return Ok(None);
        }
        outputs.extend(Concat { axis: 0 }.eval(parts, run)?);
    }
    Ok(Some(outputs))
}
