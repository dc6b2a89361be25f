//! Whether the first dimension is a batch, and how many rows it may have.

use girandole_core::{Dim, ModelSpec, TensorSpec};
use girandole_proto::config::ModelConfig;

use super::{mistakes::Mistakes, resolve::Completion};

/// The most rows of one execution, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaxBatchSize {
    /// 0 where the first dimension is no batch.
    pub(super) rows: usize,
    /// The configuration said nothing and the model allows a batch.
    pub(super) inferred: bool,
}

/// What the configuration says, else what the model allows.
pub(super) fn resolve(
    config: &ModelConfig,
    spec: &ModelSpec,
    completion: Completion,
    mistakes: &mut Mistakes,
) -> MaxBatchSize {
    match config.max_batch_size {
        Some(given) => MaxBatchSize { rows: check(given, spec, mistakes), inferred: false },
        None if completion.strict || !spec.batches() || names_whole_shapes(config, spec) => {
            MaxBatchSize { rows: 0, inferred: false }
        }
        None => MaxBatchSize { rows: completion.default_max_batch_size, inferred: true },
    }
}

fn check(given: i32, spec: &ModelSpec, mistakes: &mut Mistakes) -> usize {
    let Ok(rows) = usize::try_from(given) else {
        mistakes.add("max_batch_size", format!("must be 0 (no batching) or more, got {given}"));
        return 0;
    };
    if rows > 0 && !spec.batches() && !first_dims_are_free(spec) {
        mistakes.add(
            "max_batch_size",
            format!("is {rows}, but the first dimension of the model's inputs and outputs is not a free one; set 0"),
        );
        return 0;
    }
    rows
}

/// The engine sees no batch, but nothing in the model's shapes contradicts an author who knows there is one.
fn first_dims_are_free(spec: &ModelSpec) -> bool {
    let free = |tensor: &TensorSpec| {
        tensor.dims.as_ref().is_none_or(|dims| matches!(dims.first(), Some(Dim::Free(_))))
    };
    !spec.inputs.is_empty() && spec.inputs.iter().chain(&spec.outputs).all(free)
}

/// Whether the configuration's `dims` have as many dimensions as the model's, so leave out no batch.
fn names_whole_shapes(config: &ModelConfig, spec: &ModelSpec) -> bool {
    let inputs = config.input.iter().map(|input| (&input.name, &input.dims, &input.reshape, &spec.inputs));
    let outputs =
        config.output.iter().map(|output| (&output.name, &output.dims, &output.reshape, &spec.outputs));
    inputs.chain(outputs).any(|(name, dims, reshape, tensors)| {
        let dims = reshape.as_ref().map_or(dims, |reshape| &reshape.shape);
        let actual =
            tensors.iter().find(|tensor| tensor.name == *name).and_then(|tensor| tensor.dims.as_ref());
        actual.is_some_and(|actual| !dims.is_empty() && actual.len() == dims.len())
    })
}
