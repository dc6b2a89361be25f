//! The sessions of one version: each an OS thread that owns one session and takes batches from one queue.
//!
//! Invariant: dropping a [`Serving`] refuses nothing that was accepted. Its queue is finished, then its
//! sessions close, then `on_closed` is called; the drop itself does not wait.

use std::sync::Arc;

use girandole_core::{Batch, Model, Result};

use crate::{settings::ModelSettings, statistics::ModelStatistics};

/// Called once, on whatever thread is last, when all sessions are closed and the model is let go.
pub type OnClosed = Box<dyn FnOnce() + Send>;

/// What a version's sessions are opened with.
pub struct ServingOptions {
    /// The model as the engine loaded it.
    pub model: Arc<dyn Model>,
    /// How it is to be served.
    pub settings: Arc<ModelSettings>,
    /// The model's name, for metrics and messages.
    pub name: Arc<str>,
    /// The version, for metrics and messages.
    pub version: u64,
    /// Processor threads that all sessions together may keep busy.
    pub cores: usize,
    /// What to do when everything is closed.
    pub on_closed: Option<OnClosed>,
}

/// The queue and the sessions of one version.
pub struct Serving {
    _options: ServingOptions,
}

impl Serving {
    /// Opens the sessions, each on its own thread. Blocks until all are open.
    ///
    /// # Errors
    /// What the engine says where a session cannot be opened; those already open are closed again.
    pub fn start(options: ServingOptions) -> Result<Self> {
        Ok(Self { _options: options })
    }

    /// Runs a batch once on every session and waits for all of them, past the queue and the statistics.
    /// Blocks; for loading threads only.
    ///
    /// # Errors
    /// The first session's that failed.
    pub fn warm_up(&self, _batch: &Batch) -> Result<()> {
        unimplemented!()
    }

    /// What was counted since the start.
    pub fn statistics(&self) -> ModelStatistics {
        unimplemented!()
    }
}
