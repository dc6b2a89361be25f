//! How the runtime drives an engine: load a file into a [`Model`], open [`Session`]s on it, run [`Batch`]es.
//!
//! A model is immutable and shared; a session holds the mutable state of one execution stream and is owned
//! by one thread. A batch is a gather list: each request's own bytes, to be copied once, straight into the
//! session's buffers. A session answers through a [`Reply`], so that one on a device may take the next
//! batch while this one runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{DType, DeviceRun, Error, Files, ModelSpec, PrecisionReport, Result, Shape, Tensor};

/// Turns a model's file into a model.
pub trait Loader: Send + Sync {
    /// Reads, checks and plans the model. May take long; called on a loading thread.
    ///
    /// # Errors
    /// `InvalidArgument` where the file is malformed or needs what the engine lacks, naming the node.
    fn load(&self, request: &LoadRequest) -> Result<Arc<dyn Model>>;
}

/// A model as loaded: its plan and weights, shared by all its sessions.
pub trait Model: Send + Sync {
    /// What it takes and gives. `max_batch_size` is 1 where the file's first dimensions allow a batch,
    /// else 0; how many rows a batch may have is the configuration's to say.
    fn spec(&self) -> &ModelSpec;

    /// Opens a session.
    ///
    /// # Errors
    /// `OutOfMemory` or `Unavailable` where the device cannot take one.
    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>>;

    /// What its weights take, by device.
    fn memory(&self) -> Vec<MemoryUse>;

    /// Compares, on `sample`, what sessions will compute with full precision, where they compute with less: called
    /// once, before a session is opened. Why there is no sample is in the report.
    ///
    /// # Errors
    /// `InvalidArgument` with the error measured, where it is above what the configuration allows.
    fn check_precision(&self, _sample: Result<&Batch>) -> Result<Option<PrecisionReport>> {
        Ok(None)
    }

    /// The sizes that a free dimension is computed with, where the configuration lists them: sessions are faster on
    /// these once they have met them.
    fn buckets(&self) -> Option<Buckets> {
        None
    }
}

/// The sizes that a dimension is padded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// The dimension's name in the model's specification.
    pub dimension: Arc<str>,
    /// The sizes, ascending.
    pub sizes: Vec<usize>,
}

/// One stream of execution over a model.
pub trait Session: Send {
    /// Runs a batch and answers `reply` exactly once, now or later.
    ///
    /// `Unavailable` says that the session can run nothing now: what waits for it is refused with the same reason,
    /// unless another session takes it.
    fn run(&mut self, batch: Batch, reply: Reply);

    /// How many batches it can hold at once; above 1, copies overlap compute.
    fn depth(&self) -> usize {
        1
    }

    /// Whether nothing can be run on it any more: it is to be closed, and another one opened.
    fn is_lost(&self) -> bool {
        false
    }

    /// Bytes that it holds on its device, beside the model's weights.
    fn memory(&self) -> u64 {
        0
    }
}

/// What to load, and how.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// The model's name, for messages.
    pub name: String,
    /// The version, for messages.
    pub version: u64,
    /// What it is read from.
    pub files: Arc<dyn Files>,
    /// How to load it.
    pub options: LoadOptions,
}

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The devices that sessions will be opened on.
    pub placements: Vec<Placement>,
    /// The configuration's free-form parameters.
    pub parameters: BTreeMap<String, String>,
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum DeviceKind {
    /// The host's processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Gpu,
}

/// A device: its kind and its number among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Placement {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its number among those of its kind.
    pub index: usize,
}

/// How to open a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Where it runs.
    pub placement: Placement,
    /// Processor threads that it may keep busy.
    pub threads: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { placement: Placement::default(), threads: 1 }
    }
}

/// Memory held on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// The device.
    pub placement: Placement,
    /// Bytes held.
    pub bytes: u64,
}

/// One input of a batch: the parts, concatenated along the first dimension, make up `shape`.
#[derive(Clone, Debug)]
pub struct BatchInput {
    /// Which of the model's inputs it is.
    pub index: usize,
    /// The element type.
    pub dtype: DType,
    /// The whole shape, all rows included.
    pub shape: Shape,
    /// The requests' own bytes, in order. Any alignment.
    pub parts: Vec<Bytes>,
}

/// What a session runs at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Rows of all requests together; 1 for a model that does not batch.
    pub rows: usize,
    /// Inputs by ascending index; optional ones may be absent.
    pub inputs: Vec<BatchInput>,
    /// Indices of the outputs that somebody asked for.
    pub outputs: Vec<usize>,
}

/// What a batch gave.
#[derive(Clone, Debug, Default)]
pub struct BatchOutputs {
    /// One tensor for each index of [`Batch::outputs`], in that order, all rows together.
    pub tensors: Vec<Tensor>,
    /// Time to gather the inputs.
    pub compute_input: Duration,
    /// Time to execute.
    pub compute_infer: Duration,
    /// Time to hand out the outputs.
    pub compute_output: Duration,
    /// How a device of its own ran it.
    pub device: Option<DeviceRun>,
}

/// The one answer to a batch. Dropped unanswered, it answers with an internal error: nothing is lost.
pub struct Reply(Option<Box<dyn FnOnce(Result<BatchOutputs>) + Send>>);

impl Reply {
    /// A reply that calls `answer`.
    pub fn new(answer: impl FnOnce(Result<BatchOutputs>) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// Answers.
    pub fn send(mut self, outcome: Result<BatchOutputs>) {
        if let Some(answer) = self.0.take() {
            answer(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(Error::internal("the session ended without an answer")));
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::ErrorCode;

    #[test]
    fn a_dropped_reply_still_answers() {
        let (sender, receiver) = mpsc::channel();
        drop(Reply::new(move |outcome| sender.send(outcome).unwrap()));
        assert_eq!(receiver.recv().unwrap().unwrap_err().code(), ErrorCode::Internal);
    }

    #[test]
    fn a_sent_reply_answers_once() {
        let (sender, receiver) = mpsc::channel();
        Reply::new(move |outcome| sender.send(outcome).unwrap()).send(Ok(BatchOutputs::default()));
        assert!(receiver.recv().unwrap().is_ok());
        assert!(receiver.recv().is_err());
    }
}
