//! From an ONNX file to a [`Graph`](crate::graph::Graph): nothing of protobuf, names or strings is left after it.

mod attributes;
mod calls;
mod functions;
mod import;
mod lean;
mod model;
mod order;
mod scope;
mod tensor;
mod types;

pub use attributes::NodeDef;
pub use import::Subgraph;
pub(crate) use import::Weights;
pub(crate) use model::import_graph;
pub use model::{ModelFile, import, import_from};
pub use tensor::{tensor_from_bytes, tensor_from_proto};
