//! ONNX-ML: trees, linear models, scalers and encoders of classical machine learning.

mod encode;
mod features;
mod labels;
mod linear;
mod maps;
mod post;
mod real;
mod scale;
mod svm;
mod trees;
mod zipmap;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[
    trees::CLASSIFIER,
    trees::REGRESSOR,
    trees::ENSEMBLE,
    linear::OPS,
    svm::CLASSIFIER,
    svm::REGRESSOR,
    scale::OPS,
    features::OPS,
    encode::OPS,
    zipmap::OPS,
    maps::OPS,
];
