//! A request in the queue: what to run, until when, and whom to answer.
//!
//! Invariant: a message is answered at most once, and whoever holds it owns its rows.

use std::time::{Duration, Instant};

use girandole_core::{InferRequest, ModelSpec, Result, Tensor};
use tokio::sync::oneshot;

/// One input of a request, by its index in the model.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) index: usize,
    pub(crate) tensor: Tensor,
}

/// What the caller gets back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// One tensor for each output asked for, in the caller's order, its own rows only.
    pub(crate) tensors: Vec<Tensor>,
    /// When its batch did what.
    pub(crate) times: Times,
}

/// When a batch did what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Handed to the session.
    pub(crate) started: Instant,
    /// Answered by the session.
    pub(crate) ended: Instant,
    pub(crate) compute_input: Duration,
    pub(crate) compute_infer: Duration,
    pub(crate) compute_output: Duration,
}

#[cfg(test)]
#[cfg(not(feature = "races"))]
impl Times {
    /// Everything at once.
    pub(crate) fn at(now: Instant) -> Self {
        let none = Duration::ZERO;
        Self { started: now, ended: now, compute_input: none, compute_infer: none, compute_output: none }
    }
}

/// A request in the queue.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its size in rows.
    pub(crate) rows: usize,
    /// By ascending index.
    pub(crate) inputs: Vec<Input>,
    /// Indices of the outputs asked for, in the caller's order.
    pub(crate) outputs: Vec<usize>,
    /// As the caller gave it; 0 for none.
    pub(crate) priority: u64,
    /// Ascending in the order of coming in; set by the queue.
    pub(crate) number: u64,
    /// When it came in.
    pub(crate) received: Instant,
    /// How long the caller lets it wait in the queue.
    pub(crate) queue_timeout: Option<Duration>,
    /// When its queue timeout passes; set by the queue.
    pub(crate) expires: Option<Instant>,
    /// When the caller stops waiting.
    pub(crate) deadline: Option<Instant>,
    reply: oneshot::Sender<Result<Answer>>,
}

impl Message {
    /// The message for a request that fits `spec` and has `rows` rows, and where its answer arrives.
    pub(crate) fn new(
        request: InferRequest,
        rows: usize,
        spec: &ModelSpec,
        received: Instant,
    ) -> (Self, oneshot::Receiver<Result<Answer>>) {
        let outputs = match request.outputs.as_slice() {
            [] => (0..spec.outputs.len()).collect(),
            asked => asked.iter().filter_map(|output| spec.output_index(&output.name)).collect(),
        };
        let inputs = request.inputs.into_iter().enumerate().filter_map(|(position, input)| {
            let index = spec.input_index_near(&input.name, position)?;
            Some(Input { index, tensor: input.tensor })
        });
        let mut inputs: Vec<_> = inputs.collect();
        inputs.sort_unstable_by_key(|input| input.index);
        let (reply, answer) = oneshot::channel();
        let message = Self {
            rows,
            inputs,
            outputs,
            priority: request.priority.0,
            number: 0,
            received,
            queue_timeout: request.queue_timeout,
            expires: None,
            deadline: request.deadline,
            reply,
        };
        (message, answer)
    }

    /// Whether the two can share a batch: the same inputs, alike in all but their rows.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        self.inputs.len() == other.inputs.len()
            && self.inputs.iter().zip(&other.inputs).all(|(a, b)| {
                a.index == b.index
                    && a.tensor.dtype() == b.tensor.dtype()
                    && a.tensor.shape().len() == b.tensor.shape().len()
                    && a.tensor.shape().iter().skip(1).eq(b.tensor.shape().iter().skip(1))
            })
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.reply.is_closed()
    }

    /// Answers. A caller that has gone hears nothing.
    pub(crate) fn answer(self, outcome: Result<Answer>) {
        let _ = self.reply.send(outcome);
    }
}
