//! What an instance is handed by the queue, and what it hands back.

use girandole_core::{Batch, Result};

use super::{
    message::{Answer, Message},
    policy::Reason,
    recover::Stage,
};
use crate::sync::mpsc;

/// Requests that run as one batch.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) messages: Vec<Message>,
    pub(crate) stage: Stage,
    /// Ascending in the order of taking; parts of a failed batch keep its ticket.
    pub(crate) ticket: u64,
    pub(crate) reason: Reason,
}

/// A batch to run past the queue, such as a warm-up, and where its outcome goes.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) batch: Batch,
    pub(crate) done: mpsc::Sender<Result<()>>,
}

/// A message and its answer.
pub(crate) type Answered = (Message, Result<Answer>);

/// Why an instance was woken.
#[derive(Debug)]
pub(crate) enum Wake {
    /// A batch is ready to be taken.
    Work,
    /// Something for this instance alone.
    Errand(Box<Errand>),
    /// Nothing; it is time to look after the session.
    Look,
    /// Everything is done and nothing more will come.
    Closed,
}
