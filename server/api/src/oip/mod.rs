//! The Open Inference Protocol v2 with Triton's extensions, over REST and gRPC.
//!
//! Handlers hold no logic: decode, call the [`Service`], encode. `rest/` and `grpc/` have one file for each
//! resource, under the same names; what they share stands beside them.

pub(crate) mod binary;
pub(crate) mod convert;
pub(crate) mod grpc;
pub(crate) mod json;
pub(crate) mod rest;
pub(crate) mod route;
mod settings;

use std::{ops::Deref, sync::Arc};

use girandole_core::{Error, ErrorCode, Result};
use girandole_runtime::service::Service;

use crate::{layers::concurrency::Bound, limits::Limits, log_control::LogControl, security::Guard};

/// The server's name in its metadata.
const NAME: &str = "girandole";

/// The server's version in its metadata.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The extensions that are served in full, by the protocol's names for them.
const EXTENSIONS: [&str; 9] = [
    "classification",
    "model_repository",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "trace",
    "logging",
];

/// What every handler works with; clones share it, and each request takes some.
#[derive(Clone)]
pub(crate) struct Oip(Arc<Means>);

impl Oip {
    pub(crate) fn new(means: Means) -> Self {
        Self(Arc::new(means))
    }
}

impl Deref for Oip {
    type Target = Means;

    fn deref(&self) -> &Means {
        &self.0
    }
}

/// See [`Oip`].
pub(crate) struct Means {
    pub(crate) service: Service,
    pub(crate) limits: Limits,
    pub(crate) log: Arc<dyn LogControl>,
    pub(crate) guard: Guard,
    /// The requests in work over REST.
    pub(crate) requests: Bound,
}

/// Refuses requests that name a repository: there is one.
fn refuse_repository(name: &str) -> Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Unimplemented, "naming a repository is not served: leave out its name"))
}
