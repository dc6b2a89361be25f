//! The batches that a version runs before it serves: those that its configuration names, which must succeed, and one
//! of every size that will be used, on made-up shapes, which need not.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use girandole_core::{
    Batch, BatchInput, Buckets, DType, Dim, Error, ErrorCode, InferRequest, ModelSpec, Result, Shape,
};
use tracing::debug;

use crate::{
    config::{random, zeros},
    settings::{ModelSettings, WarmupRequest},
    sync::now,
};

/// What a free dimension is taken to be: long enough for the strides of image networks.
const FREE_DIM: usize = 32;
/// Rows of a batch to measure errors on: enough for some to be large.
const SAMPLE_ROWS: usize = 4;
/// Larger made-up batches are not worth their time.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// How far batches on made-up shapes go.
#[derive(Clone, Copy, Debug)]
pub(super) enum MadeUp {
    /// There are none.
    Nothing,
    /// From the smallest on, one at least, as far as they take no more than this together. A processor learns little
    /// from large ones, and where they take long that little is nothing beside what they take.
    Within(Duration),
    /// Every size: a GPU captures a graph of each.
    Everything,
}

impl MadeUp {
    /// Whether there is to be one more, after so much time and one that took so long for its rows.
    fn goes_on(self, spent: Duration, last: Option<(usize, Duration)>, rows: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::Within(most) => last.is_none_or(|(before, took)| {
                let next = took.as_secs_f64() * rows as f64 / before.max(1) as f64;
                spent.as_secs_f64() + next <= most.as_secs_f64()
            }),
            Self::Everything => true,
        }
    }

    /// Whether a version that answered a batch, perhaps the smallest, so cannot serve. Made-up shapes are not to blame for a
    /// device that fails, nor for one without memory for the smallest of them.
    fn ends(self, smallest: bool, error: &Error) -> bool {
        match error.code() {
            ErrorCode::Unavailable => true,
            ErrorCode::OutOfMemory => smallest && matches!(self, Self::Everything),
            _ => false,
        }
    }
}

/// Has every batch run.
///
/// # Errors
/// The reason why a configured request failed, with its name, or why none can be run at all.
pub(super) fn run(
    settings: &ModelSettings,
    buckets: Option<Buckets>,
    made_up_ones: MadeUp,
    mut warm_up: impl FnMut(&Batch) -> Result<()>,
) -> Result<()> {
    for request in &settings.warmup {
        let batch = configured(request, &settings.spec)?;
        for _ in 0..request.count {
            warm_up(&batch).map_err(|e| e.context(format!("warm-up '{}'", request.name)))?;
        }
    }
    let (begin, lengths) = (now(), lengths(buckets));
    let shapes = default_sizes(settings).into_iter();
    let shapes = shapes.flat_map(|rows| lengths.iter().map(move |length| (rows, length)));
    let mut last = None;
    for (rows, length) in shapes {
        let spent = begin.elapsed();
        if !made_up_ones.goes_on(spent, last, rows) {
            break;
        }
        let Some(batch) = made_up(&settings.spec, rows, length, zeros) else { continue };
        match warm_up(&batch) {
            Err(error) if made_up_ones.ends(last.is_none(), &error) => return Err(error.context("warm-up")),
            Err(error) => debug!(rows, %error, "default warm-up does not fit the model"),
            Ok(()) => {}
        }
        last = Some((rows, begin.elapsed().saturating_sub(spent)));
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
        None => made_up(&settings.spec, rows, &Length::default(), random).ok_or_else(|| {
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

/// The size of the one free dimension that is not [`FREE_DIM`].
#[derive(Clone, Debug, Default)]
struct Length(Option<(Arc<str>, usize)>);

impl Length {
    fn of(&self, dim: &Dim) -> usize {
        match (dim, &self.0) {
            (Dim::Fixed(size), _) => *size,
            (Dim::Free(Some(name)), Some((own, size))) if name == own => *size,
            (Dim::Free(_), _) => FREE_DIM,
        }
    }
}

/// Every size that a dimension is padded to, where the configuration lists them.
fn lengths(buckets: Option<Buckets>) -> Vec<Length> {
    let Some(Buckets { dimension, sizes }) = buckets.filter(|buckets| !buckets.sizes.is_empty()) else {
        return vec![Length::default()];
    };
    sizes.into_iter().map(|size| Length(Some((dimension.clone(), size)))).collect()
}

/// A batch of what `fill` makes, or `None` where the model's shapes do not say what it could be.
fn made_up(spec: &ModelSpec, rows: usize, length: &Length, fill: fn(DType, usize) -> Bytes) -> Option<Batch> {
    let mut inputs = Vec::with_capacity(spec.inputs.len());
    let mut left = MAX_BATCH_BYTES;
    for (index, input) in spec.inputs.iter().enumerate().filter(|(_, input)| !input.optional) {
        let shape: Shape = input.dims.as_ref()?.iter().map(|dim| length.of(dim)).collect();
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
    fn made_up_ones_end_where_the_next_would_take_too_long() {
        let ms = Duration::from_millis;
        let few = MadeUp::Within(ms(100));
        assert!(few.goes_on(ms(0), None, 1), "one at least");
        assert!(few.goes_on(ms(40), Some((4, ms(30))), 8) && !few.goes_on(ms(41), Some((4, ms(30))), 8));
        assert!(few.goes_on(ms(41), Some((4, ms(30))), 7), "fewer rows take less");
        assert!(!few.goes_on(ms(200), Some((1, ms(200))), 2));
        let hour = Duration::from_secs(3600);
        assert!(
            MadeUp::Everything.goes_on(hour, Some((1, hour)), 2) && !MadeUp::Nothing.goes_on(ms(0), None, 1)
        );
    }

    #[test]
    fn a_device_without_memory_for_the_smallest_batch_does_not_serve() {
        let lacks = Error::new(ErrorCode::OutOfMemory, "none left");
        let everything = MadeUp::Everything;
        assert!(everything.ends(true, &lacks) && !everything.ends(false, &lacks));
        let few = MadeUp::Within(Duration::ZERO);
        assert!(!few.ends(true, &lacks) && few.ends(false, &Error::unavailable("lost")));
        assert!(!everything.ends(true, &Error::invalid("odd shapes")));
    }

    #[test]
    fn made_up_batches_have_the_models_shapes() {
        let mut spec = ModelSpec {
            inputs: vec![TensorSpec::new("x", DType::F32, &[-1, 3, -1])],
            outputs: vec![TensorSpec::new("y", DType::F32, &[-1])],
            max_batch_size: 8,
        };
        let usual = Length::default();
        let batch = made_up(&spec, 4, &usual, zeros).unwrap();
        assert_eq!(batch.inputs[0].shape, Shape::new(&[4, 3, 32]));
        assert_eq!(batch.inputs[0].parts[0].len(), 4 * 3 * 32 * 4);
        spec.max_batch_size = 0;
        assert_eq!(made_up(&spec, 1, &usual, zeros).unwrap().inputs[0].shape, Shape::new(&[32, 3, 32]));
        spec.inputs[0].dims = None;
        assert!(made_up(&spec, 1, &usual, zeros).is_none());
    }

    #[test]
    fn every_length_that_is_padded_to_is_run() {
        let free = |name: &str| Dim::Free(Some(name.into()));
        let dims = Some(vec![free("batch"), free("sequence"), free("other"), Dim::Fixed(2)]);
        let input = TensorSpec { dims, ..TensorSpec::new("x", DType::F32, &[]) };
        let outputs = vec![TensorSpec::new("y", DType::F32, &[-1])];
        let spec = ModelSpec { inputs: vec![input], outputs, max_batch_size: 8 };
        let shape = |length: &Length| made_up(&spec, 4, length, zeros).unwrap().inputs[0].shape.clone();
        let buckets = Buckets { dimension: "sequence".into(), sizes: vec![16, 64] };
        let shapes: Vec<Shape> = lengths(Some(buckets)).iter().map(shape).collect();
        assert_eq!(shapes, [Shape::new(&[4, 16, 32, 2]), Shape::new(&[4, 64, 32, 2])]);
        assert_eq!(lengths(None).iter().map(shape).collect::<Vec<_>>(), [Shape::new(&[4, 32, 32, 2])]);
    }
}
