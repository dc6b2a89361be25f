//! Arithmetic, comparison, logic, reductions and conversions, element by element or along axes.

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[];
