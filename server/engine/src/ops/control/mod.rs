//! Control flow, sequences and optionals.

mod body;
mod branch;
mod loops;
mod optional;
mod scan;
mod sequence;
mod sequence_map;
mod stack;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] =
    &[branch::OPS, loops::OPS, scan::OPS, sequence::OPS, sequence_map::OPS, optional::OPS];
