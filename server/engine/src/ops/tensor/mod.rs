//! Shapes and places: what moves, selects, joins or makes elements without computing with them.

mod identity;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[identity::OPS];
