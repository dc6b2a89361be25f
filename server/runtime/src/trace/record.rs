//! One request's trace as Triton's trace files have it: an object that names it, one with its timestamps.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::batcher::message::Times;

/// What is known of a traced request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) model: &'a str,
    pub(crate) version: u64,
    pub(crate) request_id: &'a str,
    pub(crate) times: TraceTimes,
}

/// When what happened to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceTimes {
    pub(crate) received: Instant,
    pub(crate) queued: Instant,
    /// Of its batch; `None` where it was not run, or not to the end.
    pub(crate) compute: Option<Times>,
    pub(crate) ended: Instant,
}

impl Trace<'_> {
    /// Both objects, separated by a comma.
    pub(super) fn to_json(self, id: u64) -> String {
        let clock = Clock::now();
        let stamps: Vec<_> = self.times.stamps().into_iter().flatten().collect();
        let stamps: Vec<_> =
            stamps.iter().map(|(name, at)| json!({ "name": name, "ns": clock.nanos(*at) })).collect();
        let name = json!({
            "id": id,
            "model_name": self.model,
            "model_version": self.version,
            "request_id": self.request_id,
        });
        format!("{name},\n{}", json!({ "id": id, "timestamps": stamps }))
    }
}

impl TraceTimes {
    fn stamps(&self) -> [Option<(&'static str, Instant)>; 7] {
        let compute = self.compute.as_ref();
        let output = |t: &Times| t.ended.checked_sub(t.compute_output).unwrap_or(t.ended);
        [
            Some(("REQUEST_START", self.received)),
            Some(("QUEUE_START", self.queued)),
            compute.map(|t| ("COMPUTE_START", t.started)),
            compute.map(|t| ("COMPUTE_INPUT_END", t.started + t.compute_input)),
            compute.map(|t| ("COMPUTE_OUTPUT_START", output(t))),
            compute.map(|t| ("COMPUTE_END", t.ended)),
            Some(("REQUEST_END", self.ended)),
        ]
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
