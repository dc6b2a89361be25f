//! ONNX-ML: trees, linear models, scalers and encoders of classical machine learning.

mod labels;
mod post;
mod real;
mod trees;

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[trees::CLASSIFIER, trees::REGRESSOR, trees::ENSEMBLE];
