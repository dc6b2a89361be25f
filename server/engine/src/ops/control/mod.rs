//! Control flow, sequences and optionals.

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[];
