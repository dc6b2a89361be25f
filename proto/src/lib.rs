//! Girandole's protocol definitions (`girandole/*.proto`) and the code generated from them.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::all)]

#[cfg(feature = "oip")]
pub mod bounds;
#[cfg(feature = "oip")]
pub mod codec;

/// The ONNX model file format (<https://onnx.ai/onnx/api/classes.html>).
#[cfg(feature = "onnx")]
pub mod onnx {
    include!(concat!(env!("OUT_DIR"), "/onnx/onnx.rs"));
}

/// Triton's model configuration (`config.pbtxt`, and the model configuration extension).
#[cfg(feature = "config")]
pub mod config {
    include!(concat!(env!("OUT_DIR"), "/config/inference.rs"));

    /// The file descriptor set, for reflection over the text and JSON forms.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/config/descriptor.bin"));
}

/// The Open Inference Protocol's gRPC service with Triton's extensions.
#[cfg(feature = "oip")]
pub mod oip {
    include!(concat!(env!("OUT_DIR"), "/oip/inference.rs"));

    /// The file descriptor set, for the reflection service.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/oip/descriptor.bin"));
}
