//! The batches that a version runs before it serves: those that its configuration names, which must succeed, and one
//! of every size that will be used, on made-up shapes, which need not.

use std::collections::BTreeSet;

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, DType, Dim, Error, ErrorCode, InferRequest, ModelSpec, Result, Shape,
};
use tracing::debug;

use crate::{
    config::{random, zeros},
    settings::{ModelSettings, WarmupRequest},
};

/// What a free dimension is taken to be: long enough for the strides of image networks.
const FREE_DIM: usize = 32;
/// Rows of a batch to measure errors on: enough for some to be large.
const SAMPLE_ROWS: usize = 4;
/// Larger made-up batches are not worth their time.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// Has every batch run.
///
/// # Errors
/// The reason why a configured request failed, with its name, or why none can be run at all.
pub(super) fn run(
    settings: &ModelSettings,
    by_default: bool,
    mut warm_up: impl FnMut(&Batch) -> Result<()>,
) -> Result<()> {
    for request in &settings.warmup {
        let batch = configured(request, &settings.spec)?;
        for _ in 0..request.count {
            warm_up(&batch).map_err(|e| e.context(format!("warm-up '{}'", request.name)))?;
        }
    }
    for rows in default_sizes(settings).into_iter().filter(|_| by_default) {
        let Some(batch) = made_up(&settings.spec, rows, zeros) else { continue };
        match warm_up(&batch) {
            // Made-up shapes are not to blame for a device that fails.
            Err(error) if error.code() == ErrorCode::Unavailable => return Err(error.context("warm-up")),
            Err(error) => debug!(rows, %error, "default warm-up does not fit the model"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// A batch to measure a precision's error on: the first that is configured, or made-up numbers.
///
/// # Errors
/// What is wrong with the configured one, or that the model's shapes do not say what it could be.
pub(super) fn sample(settings: &ModelSettings) -> Result<Batch> {
    let rows = SAMPLE_ROWS.min(settings.spec.max_batch_size.max(1));
    match settings.warmup.first() {
        Some(request) => configured(request, &settings.spec),
        None => made_up(&settings.spec, rows, random).ok_or_else(|| {
            Error::invalid("its inputs have no shapes to make up numbers for; configure a model_warmup")
        }),
    }
}

/// Every batch size that will be used: 1, powers of two, the preferred ones and the largest.
fn default_sizes(settings: &ModelSettings) -> BTreeSet<usize> {
    let max = settings.spec.max_batch_size.max(1);
    let doubling =
        std::iter::successors(Some(1usize), |size| size.checked_mul(2)).take_while(|&size| size <= max);
    let preferred =
        settings.batching.iter().flat_map(|batching| batching.preferred_batch_sizes.iter().copied());
    // Without dynamic batching a request's own rows are all there is, and most have one.
    match settings.batching {
        Some(_) => doubling.chain(preferred).chain([max]).collect(),
        None => [1].into(),
    }
}

/// A batch of what `fill` makes, or `None` where the model's shapes do not say what it could be.
fn made_up(spec: &ModelSpec, rows: usize, fill: fn(DType, usize) -> Bytes) -> Option<Batch> {
    let mut inputs = Vec::with_capacity(spec.inputs.len());
    let mut left = MAX_BATCH_BYTES;
    for (index, input) in spec.inputs.iter().enumerate().filter(|(_, input)| !input.optional) {
        let dims = input.dims.as_ref()?.iter().map(|dim| match dim {
            Dim::Fixed(size) => *size,
            Dim::Free(_) => FREE_DIM,
        });
        let shape: Shape = dims.collect();
        let shape = if spec.batches() { shape.with_rows(rows) } else { shape };
        let elements = shape.elements()?;
        left = left.checked_sub(elements.checked_mul(input.dtype.size().unwrap_or(4))?)?;
        inputs.push(BatchInput {
            index,
            dtype: input.dtype,
            parts: vec![fill(input.dtype, elements)],
            shape,
        });
    }
    Some(Batch { rows, inputs, outputs: (0..spec.outputs.len()).collect() })
}

/// A configured request as a batch of its own.
fn configured(request: &WarmupRequest, spec: &ModelSpec) -> Result<Batch> {
    let as_request = InferRequest { inputs: request.inputs.clone(), ..InferRequest::default() };
    let rows = spec.check(&as_request)?;
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        let index =
            spec.input_index(&input.name).ok_or_else(|| Error::internal("a warm-up input is unknown"))?;
        let (dtype, shape) = (input.tensor.dtype(), input.tensor.shape().clone());
        inputs.push(BatchInput { index, dtype, shape, parts: vec![input.tensor.data().clone()] });
    }
    inputs.sort_unstable_by_key(|input| input.index);
    Ok(Batch { rows, inputs, outputs: (0..spec.outputs.len()).collect() })
}

#[cfg(test)]
mod tests {
    use girandole_core::TensorSpec;

    use super::*;

    #[test]
    fn made_up_batches_have_the_models_shapes() {
        let mut spec = ModelSpec {
            inputs: vec![TensorSpec::new("x", DType::F32, &[-1, 3, -1])],
            outputs: vec![TensorSpec::new("y", DType::F32, &[-1])],
            max_batch_size: 8,
        };
        let batch = made_up(&spec, 4, zeros).unwrap();
        assert_eq!(batch.inputs[0].shape, Shape::new(&[4, 3, 32]));
        assert_eq!(batch.inputs[0].parts[0].len(), 4 * 3 * 32 * 4);
        spec.max_batch_size = 0;
        assert_eq!(made_up(&spec, 1, zeros).unwrap().inputs[0].shape, Shape::new(&[32, 3, 32]));
        spec.inputs[0].dims = None;
        assert!(made_up(&spec, 1, zeros).is_none());
    }
}
