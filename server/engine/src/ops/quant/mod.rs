//! Quantized networks: products and convolutions of 8-bit integers, computed in integers.

pub(crate) mod bytes;
pub(crate) mod conv;
pub(crate) mod matmul;
mod sizes;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[conv::OPS, matmul::OPS];
