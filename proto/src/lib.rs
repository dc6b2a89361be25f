//! Girandole's protocol definitions (`girandole/*.proto`) and the code generated from them.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::all)]

/// The ONNX model file format (<https://onnx.ai/onnx/api/classes.html>).
#[cfg(feature = "onnx")]
pub mod onnx {
    include!(concat!(env!("OUT_DIR"), "/onnx/onnx.rs"));
}
