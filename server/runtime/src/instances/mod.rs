//! The sessions of one version: each an OS thread that owns one session and takes batches from one queue.
//!
//! Invariant: dropping a [`Serving`] refuses nothing that was accepted. Its queue is finished, then its
//! sessions close, then `on_closed` is called; the drop itself does not wait.

mod completion;
mod cores;
mod memory;
mod priority;
#[cfg(test)]
#[cfg(feature = "races")]
pub(crate) mod races;
mod start;
#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests;
mod worker;

use std::{ops::Range, sync::Arc, time::Instant};

use girandole_core::{Batch, Error, InferRequest, Model, Result, RowCount};
use tokio::sync::oneshot;

pub use self::cores::CoreBudget;
use self::memory::DeviceMemory;
pub(crate) use self::priority::NICENESS;
pub use crate::breaker::OnTurned;
use crate::{
    batcher::{
        error::Refusal,
        message::{Answer, Message},
        queue::Place,
        service::Batcher,
    },
    breaker::Breaker,
    metrics::FailureReason,
    settings::ModelSettings,
    statistics::ModelStatistics,
    sync::{mpsc, timeout_at},
};

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
    /// Processor threads that the sessions of all versions share: one budget for the whole server.
    pub cores: Arc<CoreBudget>,
    /// What to do when the version is taken out of the traffic, or comes back.
    pub on_turned: Option<OnTurned>,
    /// What to do when everything is closed.
    pub on_closed: Option<OnClosed>,
}

/// The queue and the sessions of one version.
pub struct Serving {
    name: Arc<str>,
    version: u64,
    batcher: Arc<Batcher>,
    memory: Arc<DeviceMemory>,
    instances: usize,
}

impl Serving {
    /// Opens the sessions, each on its own thread. Blocks until all are open.
    ///
    /// # Errors
    /// What the engine says where a session cannot be opened; those already open are closed again.
    pub fn start(options: ServingOptions) -> Result<Self> {
        start::start(options)
    }

    /// Runs a batch once on every session and waits for all of them, past the queue and the statistics.
    /// Blocks; for loading threads only.
    ///
    /// # Errors
    /// The first session's that failed.
    pub fn warm_up(&self, batch: &Batch) -> Result<()> {
        self.warm_up_some(0..self.instances, batch)
    }

    /// As [`Self::warm_up`], on some of the sessions.
    pub(crate) fn warm_up_some(&self, instances: Range<usize>, batch: &Batch) -> Result<()> {
        let (done, outcomes) = mpsc::channel();
        let expected = instances.len();
        self.batcher.send_errands(instances, batch, &done);
        drop(done);
        let outcomes: Vec<_> = outcomes.iter().collect();
        if outcomes.len() != expected {
            return Err(Error::unavailable("the version was taken down during its warm-up"));
        }
        outcomes.into_iter().collect()
    }

    /// Runs a request of `rows` rows that fits the model, received at `received`, and waits for its answer.
    /// Dropping the future takes the request out of the queue.
    ///
    /// # Errors
    /// `Overloaded` where the queue is full, `DeadlineExceeded` where its timeout or deadline passed,
    /// `Unavailable` where the version is being taken down, or what the session says.
    pub(crate) async fn infer(
        &self,
        request: InferRequest,
        rows: RowCount,
        received: Instant,
    ) -> Result<Answer> {
        let (message, answer) = Message::new(request, rows, &self.batcher.spec, received);
        let deadline = message.deadline;
        let place = self.batcher.submit(message);
        let mut waiting = Waiting { batcher: &self.batcher, answer, place };
        waiting
            .until(deadline)
            .await
            .map_err(|error| error.context(format!("model '{}' version {}", self.name, self.version)))
    }

    /// How many sessions there are.
    pub(crate) const fn instances(&self) -> usize {
        self.instances
    }

    /// Whether nothing waits and a session has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.batcher.is_idle()
    }

    /// A request for this version failed before it reached the queue.
    pub(crate) fn refused(&self, reason: FailureReason, received: Instant) {
        self.batcher.recorder.failure(reason, received.elapsed());
    }

    /// Whether a session can run anything.
    ///
    /// # Errors
    /// `Unavailable` with the reason why none can.
    pub fn health(&self) -> Result<()> {
        self.batcher.health()
    }

    /// What takes the version out of the traffic where its runs keep failing.
    pub(crate) fn breaker(&self) -> &Arc<Breaker> {
        &self.batcher.breaker
    }

    /// What was counted since the start.
    pub fn statistics(&self) -> ModelStatistics {
        self.batcher.recorder.snapshot(&self.name, self.version, self.memory.by_device())
    }

    /// Refuses what waits with `Unavailable`; what runs is finished. For a shutdown whose time is up.
    pub fn abort(&self) {
        self.batcher.abort();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.batcher.close();
    }
}

/// A caller that waits for its answer; dropped without it, it has gone.
struct Waiting<'a> {
    batcher: &'a Batcher,
    answer: oneshot::Receiver<Result<Answer>>,
    /// Where its request was put; `None` once it is answered.
    place: Option<Place>,
}

impl Waiting<'_> {
    /// The answer. No timer runs unless the request has a time to keep.
    ///
    /// The queue timeout ends when an instance takes the request: from there on only the deadline counts.
    async fn until(&mut self, deadline: Option<Instant>) -> Result<Answer> {
        let expires = self.place.and_then(|place| place.expires);
        if let Some(at) = expires.into_iter().chain(deadline).min() {
            if let Ok(answer) = timeout_at(at, &mut self.answer).await {
                return self.settle(answer);
            }
            self.batcher.expire(at);
        }
        let answer = match deadline {
            None => (&mut self.answer).await,
            Some(deadline) => match timeout_at(deadline, &mut self.answer).await {
                Ok(answer) => answer,
                Err(_) => return Err(Refusal::TooLate.into()),
            },
        };
        self.settle(answer)
    }

    fn settle(&mut self, answer: Result<Result<Answer>, oneshot::error::RecvError>) -> Result<Answer> {
        self.place = None;
        answer.unwrap_or_else(|_| Err(Error::internal("the request was lost")))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.batcher.abandon(place);
        }
    }
}
