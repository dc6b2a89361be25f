//! What follows a session's answer: counting, cutting the outputs up, and running the rest again.
//!
//! Invariant: a batch's requests are each answered or handed back to the queue, exactly once, whatever the
//! session did; a session that answers nothing drops its reply, and that is an answer too.

use std::{sync::Arc, time::Instant};

use girandole_core::{BatchOutputs, Error, Result};

use super::cores::Cores;
use crate::{
    batcher::{
        dispatch::Dispatch,
        message::{Answer, Message, Times},
        recover::{Stage, part_size},
        service::Batcher,
        split::{Share, split},
    },
    statistics::{Execution, FailureReason},
    sync::now,
};

/// A batch in a session's hands.
pub(crate) struct Completion {
    pub(crate) batcher: Arc<Batcher>,
    pub(crate) instance: usize,
    pub(crate) dispatch: Dispatch,
    /// Indices of the outputs that the session was asked for.
    pub(crate) computed: Vec<usize>,
    pub(crate) rows: usize,
    pub(crate) started: Instant,
    /// Threads that the session keeps busy; none on a device of its own.
    pub(crate) cores: Option<Cores>,
}

impl Completion {
    /// The session has answered.
    pub(crate) fn complete(mut self, outcome: Result<BatchOutputs>) {
        self.cores = None;
        match outcome {
            Ok(outputs) => self.succeed(&outputs),
            Err(error) => self.fail(&error),
        }
    }

    fn succeed(self, outputs: &BatchOutputs) {
        let ended = now();
        let messages = &self.dispatch.messages;
        let shares: Vec<_> = messages.iter().map(|m| Share { rows: m.rows, outputs: &m.outputs }).collect();
        let answers = match split(&outputs.tensors, &self.computed, &shares, &self.batcher.spec) {
            Ok(answers) => answers,
            Err(error) => return self.answer_all(&error),
        };
        self.batcher.breaker.ran(Ok(()), ended);
        self.record(outputs, ended);
        let times = self.times(outputs, ended);
        let took = ended.saturating_duration_since(self.started);
        let Dispatch { messages, ticket, .. } = self.dispatch;
        let answers = answers.into_iter().map(|tensors| Ok(Answer { tensors, times }));
        self.batcher.finish(
            self.instance,
            ticket,
            messages.into_iter().zip(answers).collect(),
            Vec::new(),
            Some(took),
        );
    }

    /// A failed batch of several is run again in parts where that may save some of them.
    fn fail(self, error: &Error) {
        self.batcher.failed(self.instance, error);
        let Dispatch { stage, ref messages, .. } = self.dispatch;
        match part_size(error.code(), messages.len(), stage) {
            None => self.answer_all(error),
            Some(size) => {
                let Dispatch { messages, ticket, reason, .. } = self.dispatch;
                let parts = chunks(messages, size).into_iter();
                let parts = parts.map(|messages| Dispatch { messages, stage: Stage::Part, ticket, reason });
                self.batcher.finish(self.instance, ticket, Vec::new(), parts.collect(), None);
            }
        }
    }

    fn answer_all(self, error: &Error) {
        self.batcher.breaker.ran(Err(error), now());
        let Dispatch { messages, ticket, .. } = self.dispatch;
        let failed = messages.into_iter().map(|message| {
            self.batcher.recorder.failure(FailureReason::Backend, message.received.elapsed());
            (message, Err(error.clone()))
        });
        let failed = failed.collect();
        self.batcher.finish(self.instance, ticket, failed, Vec::new(), None);
    }

    fn record(&self, outputs: &BatchOutputs, ended: Instant) {
        let requests = self.dispatch.messages.iter().map(|message| {
            let queued = self.started.saturating_duration_since(message.received);
            (queued, ended.saturating_duration_since(message.received))
        });
        let requests: Vec<_> = requests.collect();
        self.batcher.recorder.execution(&Execution {
            rows: self.rows,
            reason: self.dispatch.reason,
            compute_input: outputs.compute_input,
            compute_infer: outputs.compute_infer,
            compute_output: outputs.compute_output,
            device: outputs.device,
            requests: &requests,
        });
    }

    fn times(&self, outputs: &BatchOutputs, ended: Instant) -> Times {
        Times {
            started: self.started,
            ended,
            compute_input: outputs.compute_input,
            compute_infer: outputs.compute_infer,
            compute_output: outputs.compute_output,
        }
    }
}

fn chunks(messages: Vec<Message>, size: usize) -> Vec<Vec<Message>> {
    let mut rest = messages.into_iter();
    let mut chunks = Vec::new();
    loop {
        let chunk: Vec<_> = rest.by_ref().take(size.max(1)).collect();
        if chunk.is_empty() {
            return chunks;
        }
        chunks.push(chunk);
    }
}
