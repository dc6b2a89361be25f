//! The contract between the protocols, the runtime and the engine: data types, the traits of models and
//! sessions, and one closed set of error codes. No engine, no async runtime and no network lives here.
//!
//! A request is an [`InferRequest`] of [`NamedTensor`]s; the runtime validates it against a [`ModelSpec`],
//! gathers requests into a [`Batch`] and hands that to a [`Session`]; the session answers a [`Reply`].
#![forbid(unsafe_code)]

pub mod audit;
pub mod bytes_tensor;
mod device;
mod difference;
mod dtype;
mod error;
mod files;
mod format;
pub mod mock;
mod request;
mod route;
mod session;
mod shape;
mod spec;
mod tensor;

pub use device::{DeviceRun, Phases, PrecisionReport};
pub use difference::Difference;
pub use dtype::{DType, ParseDTypeError};
pub use error::{Error, ErrorCode, Result};
pub use files::{Files, Folder, Source, open_within, why};
pub use format::Format;
pub use request::{
    InferRequest, InferResponse, NamedTensor, Parameter, Parameters, Priority, RequestedOutput,
    VersionSelector,
};
pub use route::{Headers, Route, RouteReason};
pub use session::{
    Batch, BatchInput, BatchOutputs, Buckets, DeviceKind, LoadOptions, LoadRequest, Loader, MemoryUse, Model,
    Placement, Reply, Session, SessionOptions,
};
pub use shape::Shape;
pub use spec::{Dim, ModelSpec, RowCount, TensorSpec};
pub use tensor::Tensor;
