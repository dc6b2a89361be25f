//! An answer that gives every input back, so that it can be read as a request again.

use girandole_core::{InferRequest, InferResponse};

use crate::specs;

/// The answer.
pub(crate) fn answer(request: &InferRequest) -> InferResponse {
    InferResponse {
        model: "fuzz".to_owned(),
        version: 1,
        route: Default::default(),
        id: request.id.clone(),
        outputs: request.inputs.clone(),
        parameters: request.parameters.clone(),
    }
}

/// Holds the request against every specification, as the runtime does before it runs one.
///
/// # Panics
/// Where a request without rows is let through, or one with more than there may be.
pub(crate) fn check(request: &InferRequest) {
    for spec in specs::all() {
        if let Ok(rows) = spec.check(request) {
            assert!(rows > 0 && (!spec.batches() || rows <= spec.max_batch_size), "{rows} rows");
        }
    }
}
