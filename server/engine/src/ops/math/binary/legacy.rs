//! Broadcasting before opset 7, which was asked for by attributes and aligned by `axis`.

use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
};

/// Accepts what means the same under today's rule: equal shapes, or a second input that is a suffix.
///
/// # Errors
/// `Unsupported` for an alignment by `axis`.
pub(super) fn check(node: &NodeDef<'_>) -> Result<()> {
    if node.opset() < 7 && node.has("axis") {
        return Err(OpError::unsupported(format!(
            "{} with an axis to broadcast along (opset {}) is not supported; convert the model to opset 7 or newer",
            node.op_type(),
            node.opset()
        )));
    }
    Ok(())
}
