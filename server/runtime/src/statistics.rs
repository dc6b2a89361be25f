//! Counts and durations of one version, as Triton's statistics extension has them, and the recorder that
//! keeps them and the version's [metrics](crate::metrics) in step.
//!
//! Invariants: requests are counted once, when they are answered or refused; rows and executions of a batch
//! that failed are not counted. Warm-up batches never come here.

mod recent;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use girandole_core::DeviceRun;

use self::recent::Durations;
pub use self::recent::Recent;
use crate::metrics::VersionMetrics;
pub use crate::{batcher::Reason, metrics::FailureReason};

/// How often something happened and how long it took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatisticDuration {
    /// How often.
    pub count: u64,
    /// Nanoseconds in all.
    pub ns: u64,
}

/// Durations by phase; `compute_*` count requests, not executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct InferStatistics {
    pub success: StatisticDuration,
    pub fail: StatisticDuration,
    pub queue: StatisticDuration,
    pub compute_input: StatisticDuration,
    pub compute_infer: StatisticDuration,
    pub compute_output: StatisticDuration,
    pub cache_hit: StatisticDuration,
    pub cache_miss: StatisticDuration,
}

/// Durations of the executions with one batch size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BatchStatistics {
    pub batch_size: u64,
    pub compute_input: StatisticDuration,
    pub compute_infer: StatisticDuration,
    pub compute_output: StatisticDuration,
}

/// Everything counted of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelStatistics {
    /// The model's name.
    pub name: String,
    /// The version.
    pub version: u64,
    /// Milliseconds since the epoch at the last inference; 0 for none.
    pub last_inference_ms: u64,
    /// Rows answered.
    pub inference_count: u64,
    /// Executions.
    pub execution_count: u64,
    /// By phase.
    pub inference: InferStatistics,
    /// By batch size, ascending.
    pub batches: Vec<BatchStatistics>,
    /// Memory by device: kind (`CPU`, `GPU`), number, bytes.
    pub memory: Vec<girandole_core::MemoryUse>,
    /// How long the last minute's requests took.
    pub recent: Recent,
}

/// Counts what happens to a version's requests. One short lock for a batch or a refusal, none for a request.
#[derive(Debug)]
pub(crate) struct Recorder {
    counts: Mutex<Counts>,
    metrics: VersionMetrics,
}

#[derive(Debug)]
struct Counts {
    last_inference_ms: u64,
    inference_count: u64,
    execution_count: u64,
    inference: InferStatistics,
    batches: BTreeMap<u64, BatchStatistics>,
    recent: Durations,
}

/// An execution that was answered.
#[derive(Debug)]
pub(crate) struct Execution<'a> {
    pub(crate) rows: usize,
    pub(crate) reason: Reason,
    pub(crate) compute_input: Duration,
    pub(crate) compute_infer: Duration,
    pub(crate) compute_output: Duration,
    /// How a device of its own ran it.
    pub(crate) device: Option<DeviceRun>,
    /// Of each request: how long it waited, and how long it took in all.
    pub(crate) requests: &'a [(Duration, Duration)],
}

impl StatisticDuration {
    fn add(&mut self, count: usize, each: Duration) {
        self.count += count as u64;
        self.ns += nanos(each).saturating_mul(count as u64);
    }
}

impl Recorder {
    /// Nothing counted yet; the version's metrics appear, at zero.
    pub(crate) fn new(model: &str, version: u64) -> Self {
        Self { counts: Mutex::new(Counts::new(Instant::now())), metrics: VersionMetrics::new(model, version) }
    }

    /// A batch was run and its requests are being answered.
    pub(crate) fn execution(&self, execution: &Execution<'_>) {
        self.metrics.execution(execution);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add(execution, Instant::now());
        counts.last_inference_ms = now_ms();
    }

    /// A request was not answered with a result, `took` after it came in.
    pub(crate) fn failure(&self, reason: FailureReason, took: Duration) {
        self.metrics.failure(reason);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.inference.fail.add(1, took);
    }

    /// So many requests wait now.
    pub(crate) fn queue_depth(&self, requests: usize) {
        self.metrics.queue_depth(requests);
    }

    /// So many batches run now.
    pub(crate) fn running(&self, batches: usize) {
        self.metrics.running(batches);
    }

    /// So many instances have no session now.
    pub(crate) fn without_session(&self, instances: usize) {
        self.metrics.without_session(instances);
    }

    /// Everything counted so far.
    pub(crate) fn snapshot(
        &self,
        name: &str,
        version: u64,
        memory: Vec<girandole_core::MemoryUse>,
    ) -> ModelStatistics {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        ModelStatistics {
            name: name.to_owned(),
            version,
            last_inference_ms: counts.last_inference_ms,
            inference_count: counts.inference_count,
            execution_count: counts.execution_count,
            inference: counts.inference,
            batches: counts.batches.values().copied().collect(),
            memory,
            recent: counts.recent.quantiles(Instant::now()),
        }
    }
}

impl Counts {
    fn new(now: Instant) -> Self {
        Self {
            last_inference_ms: 0,
            inference_count: 0,
            execution_count: 0,
            inference: InferStatistics::default(),
            batches: BTreeMap::new(),
            recent: Durations::new(now),
        }
    }

    fn add(&mut self, execution: &Execution<'_>, now: Instant) {
        self.inference_count += execution.rows as u64;
        self.execution_count += 1;
        let requests = execution.requests.len();
        for (queued, took) in execution.requests {
            self.inference.queue.add(1, *queued);
            self.inference.success.add(1, *took);
            self.recent.add(now, *took);
        }
        self.inference.compute_input.add(requests, execution.compute_input);
        self.inference.compute_infer.add(requests, execution.compute_infer);
        self.inference.compute_output.add(requests, execution.compute_output);
        let batch = self.batches.entry(execution.rows as u64).or_default();
        batch.batch_size = execution.rows as u64;
        batch.compute_input.add(1, execution.compute_input);
        batch.compute_infer.add(1, execution.compute_infer);
        batch.compute_output.add(1, execution.compute_output);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rows_executions_and_requests_are_counted_apart() {
        let recorder = Recorder::new("m", 1);
        recorder.execution(&Execution {
            rows: 5,
            reason: Reason::Idle,
            compute_input: MS,
            compute_infer: 2 * MS,
            compute_output: 3 * MS,
            device: None,
            requests: &[(4 * MS, 10 * MS), (6 * MS, 20 * MS)],
        });
        recorder.failure(FailureReason::Rejected, 7 * MS);
        let seen = recorder.snapshot("m", 1, Vec::new());
        let duration = |count, ms: u64| StatisticDuration { count, ns: ms * 1_000_000 };
        assert_eq!((seen.inference_count, seen.execution_count), (5, 1));
        assert_eq!(seen.inference.success, duration(2, 30));
        assert_eq!(seen.inference.fail, duration(1, 7));
        assert_eq!(seen.inference.queue, duration(2, 10));
        assert_eq!(seen.inference.compute_infer, duration(2, 4), "once for each request");
        assert_eq!(seen.batches.len(), 1);
        assert_eq!(seen.batches[0].batch_size, 5);
        assert_eq!(seen.batches[0].compute_infer, duration(1, 2), "once for each execution");
        assert!(seen.last_inference_ms > 0);
    }
}
