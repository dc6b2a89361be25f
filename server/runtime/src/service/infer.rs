//! The way of one request through the runtime.

use girandole_core::{InferRequest, InferResponse, Result};

use super::Service;

impl Service {
    /// Runs one request.
    ///
    /// Dropping the future cancels the request where it still waits.
    ///
    /// # Errors
    /// Any code of [`girandole_core::ErrorCode`] that a request can meet.
    pub async fn infer(&self, _request: InferRequest) -> Result<InferResponse> {
        unimplemented!()
    }
}
