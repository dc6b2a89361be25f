//! The engine: an ONNX file, or safetensors and their configuration, becomes a graph, the graph a plan, and sessions
//! run the plan on candle.
//!
//! The only crate that sees candle. Execution touches no protobuf, names or strings: [`onnx`] imports a file
//! into a [`graph`] ([`architectures`] write one for what [`mod@safetensors`] hold), [`passes`] rewrite it, [`plan`]
//! orders it, [`ops`] compute, [`session`] runs batches.

mod architectures;
pub mod device;
pub mod error;
mod exactness;
pub mod gpu;
pub mod graph;
pub mod inspect;
mod kernels;
mod limits;
mod loader;
mod model;
pub mod onnx;
pub mod ops;
mod padding;
mod passes;
pub mod plan;
mod safetensors;
mod session;
mod tuning;
pub mod value;

pub use exactness::Exactness;
pub use gpu::Precision;
pub use loader::Engine;
pub use tuning::{Target, Tuning};
