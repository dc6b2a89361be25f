//! One request's trace as Triton's trace files have it: an object that names it, one with its timestamps,
//! and one for each of its tensors.
//!
//! A trace shares the request's bytes and is turned into text by the thread that writes it, so that a traced
//! request pays for little more than its clones.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use girandole_core::{InferRequest, Tensor};
use serde_json::{Value, json};

use super::{Sampled, tensors};
use crate::batcher::message::Times;

/// What is known of a traced request.
#[derive(Debug)]
pub(crate) struct Trace {
    sampled: Sampled,
    model: Arc<str>,
    version: u64,
    request_id: String,
    times: TraceTimes,
    tensors: Vec<TracedTensor>,
}

/// When what happened to it.
#[derive(Clone, Copy, Debug)]
struct TraceTimes {
    received: Instant,
    queued: Instant,
    /// Of its batch; `None` where it was not run, or not to the end.
    compute: Option<Times>,
    ended: Instant,
}

/// A tensor, and where it was seen, in Triton's words.
#[derive(Debug)]
struct TracedTensor {
    activity: &'static str,
    name: String,
    tensor: Tensor,
}

impl Trace {
    /// The trace of a request that is about to be queued. What a session takes is what was queued, so
    /// Triton's TENSOR_BACKEND_INPUT would say the same again and is left out.
    pub(crate) fn queued(
        sampled: Sampled,
        (model, version): (&Arc<str>, u64),
        request: &InferRequest,
        received: Instant,
    ) -> Self {
        let queued = Instant::now();
        let times = TraceTimes { received, queued, compute: None, ended: queued };
        let (model, request_id) = (model.clone(), request.id.clone());
        let mut trace = Self { sampled, model, version, request_id, times, tensors: Vec::new() };
        let inputs = request.inputs.iter().map(|input| (input.name.as_str(), &input.tensor));
        trace.see("TENSOR_QUEUE_INPUT", inputs);
        trace
    }

    /// The request has its answer: when its batch did what, and the outputs that are its own.
    pub(crate) fn answered<'a>(
        &mut self,
        times: Times,
        outputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) {
        self.times.compute = Some(times);
        self.see("TENSOR_BACKEND_OUTPUT", outputs);
    }

    /// The request has ended, answered or not.
    pub(crate) fn ended(mut self) -> Self {
        self.times.ended = Instant::now();
        self
    }

    fn see<'a>(&mut self, activity: &'static str, tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) {
        if self.sampled.level.tensors {
            let seen = tensors.into_iter();
            let traced = seen.map(|(name, tensor)| TracedTensor {
                activity,
                name: name.to_owned(),
                tensor: tensor.clone(),
            });
            self.tensors.extend(traced);
        }
    }

    pub(super) const fn log_frequency(&self) -> u64 {
        self.sampled.log_frequency
    }

    /// Bytes of the tensors that it keeps alive.
    pub(super) fn bytes(&self) -> usize {
        self.tensors.iter().map(|traced| traced.tensor.data().len()).sum()
    }

    /// Its objects, separated by commas.
    pub(super) fn to_json(&self) -> String {
        let id = self.sampled.id;
        let mut objects = vec![json!({
            "id": id,
            "model_name": &*self.model,
            "model_version": self.version,
            "request_id": self.request_id,
        })];
        if self.sampled.level.timestamps {
            objects.push(json!({ "id": id, "timestamps": self.times.stamps() }));
        }
        objects.extend(self.tensors.iter().map(|traced| {
            json!({ "id": id, "activity": traced.activity, "tensor": tensors::object(&traced.name, &traced.tensor) })
        }));
        objects.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n")
    }
}

impl TraceTimes {
    fn stamps(&self) -> Vec<Value> {
        let compute = self.compute.as_ref();
        let output = |t: &Times| t.ended.checked_sub(t.compute_output).unwrap_or(t.ended);
        let stamps = [
            Some(("REQUEST_START", self.received)),
            Some(("QUEUE_START", self.queued)),
            compute.map(|t| ("COMPUTE_START", t.started)),
            compute.map(|t| ("COMPUTE_INPUT_END", t.started + t.compute_input)),
            compute.map(|t| ("COMPUTE_OUTPUT_START", output(t))),
            compute.map(|t| ("COMPUTE_END", t.ended)),
            Some(("REQUEST_END", self.ended)),
        ];
        let clock = Clock::now();
        let shown = stamps.into_iter().flatten();
        shown.map(|(name, at)| json!({ "name": name, "ns": clock.nanos(at) })).collect()
    }
}

/// Turns instants into nanoseconds since the epoch.
struct Clock {
    instant: Instant,
    since_epoch: u128,
}

impl Clock {
    fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self { instant: Instant::now(), since_epoch }
    }

    fn nanos(&self, at: Instant) -> u64 {
        let ago = self.instant.saturating_duration_since(at).as_nanos();
        u64::try_from(self.since_epoch.saturating_sub(ago)).unwrap_or(u64::MAX)
    }
}
