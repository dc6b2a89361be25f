//! Networks: products, convolutions, pools, normalisations, activations over axes, recurrences.

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[];
