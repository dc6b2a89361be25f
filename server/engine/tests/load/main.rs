//! Loading models from the outside: what is refused and how it is told, what a run may do at most, what
//! broken files do (nothing but fail), and the list of operators in the documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod architectures;
mod builder;
mod by_image;
mod captures;
mod external;
mod functions;
mod fused;
mod halves;
mod images;
mod limits;
mod maps;
mod mutation;
mod operators;
mod refused;
mod regressions;

use bytes::Bytes;
use girandole_core::Error;
use girandole_engine::{onnx, plan::Plan};

/// What the engine makes of a file's bytes, before any session.
fn load(bytes: Bytes) -> Result<Plan, Error> {
    let file = onnx::import(bytes, None)?;
    Plan::new(file.graph).map_err(|error| error.at("model"))
}
