//! How much a model may take at most, in memory and in time. Fuzzing lowers what one run may take, so that
//! whatever a file asks for, an execution ends soon and within the memory that it is given.

use std::time::Duration;

/// The most bytes one tensor may take; what a model file or a request asks for beyond it is refused
/// before it is allocated.
pub(crate) const TENSOR_BYTES: usize = if cfg!(fuzzing) { 16 << 20 } else { 4 << 30 };

/// After which a batch is given up, so that no model holds its instance for ever.
pub(crate) const RUN: Duration = Duration::from_millis(if cfg!(fuzzing) { 100 } else { 60_000 });

/// The most bytes of one constant that is computed when a model loads; a larger one is made again in each
/// run instead.
pub(crate) const FOLDED_BYTES: usize = 64 << 20;

/// The most bytes that a model's computed constants may come to, beyond [`FOLDED_PER_BYTE`].
pub(crate) const ALL_FOLDED_BYTES: usize = 256 << 20;

/// How many bytes of computed constants each byte of the file's own allows: 4-bit weights become floats, and
/// these may be transposed.
pub(crate) const FOLDED_PER_BYTE: usize = 16;

/// The longest that one constant may take to compute; one that takes longer is made in each run.
pub(crate) const FOLDING: Duration = Duration::from_millis(if cfg!(fuzzing) { 50 } else { 2_000 });

/// The longest that all of a model's constants may take to compute.
pub(crate) const ALL_FOLDING: Duration = Duration::from_millis(if cfg!(fuzzing) { 500 } else { 20_000 });
