//! Operators of ONNX Runtime's own domain, which its optimiser and its quantizer write into files. Most are
//! defined by ONNX's, as bodies of nodes; what they mean is documented in ONNX Runtime's `ContribOperators.md`.

mod activation;
mod attention;
mod embed;
mod fused;
mod heads;
mod inverse;
mod linear;
mod lstm;
pub(crate) mod mask;
pub(crate) mod nbits;
mod norm;
pub(crate) mod swap;

use super::{OpDef, function::FunctionDef};

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[inverse::OPS];

/// The family's operators that are defined by others, file by file.
pub(super) const FUNCTIONS: &[&[FunctionDef]] = &[
    activation::FUNCTIONS,
    attention::FUNCTIONS,
    embed::FUNCTIONS,
    fused::FUNCTIONS,
    linear::FUNCTIONS,
    lstm::FUNCTIONS,
    nbits::FUNCTIONS,
    norm::FUNCTIONS,
];
