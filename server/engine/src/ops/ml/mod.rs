//! ONNX-ML: trees, linear models, scalers and encoders of classical machine learning.

use super::OpDef;

/// The family's operators, file by file.
pub(super) const OPS: &[&[OpDef]] = &[];
