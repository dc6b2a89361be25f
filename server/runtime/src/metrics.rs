//! The names, descriptions, buckets and handles of the runtime's metrics.
//!
//! Triton's counters keep Triton's names and units; our own are in base units as Prometheus wants them.
//! Labels are bounded: a model's name, its version, and closed sets of reasons. A version registers all its
//! series when it starts, so that they are there at zero. How long they stay once it is gone is up to whoever
//! installs the recorder; its gauges are at zero by then.

mod device;

use std::{sync::OnceLock, time::Duration};

use metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use self::device::DeviceMetrics;
pub(crate) use self::device::{DeviceMemoryGauge, precision_error};
use crate::{batcher::Reason, breaker, rollout, shadow, statistics::Execution, traffic};

/// Requests answered with a result.
pub const REQUEST_SUCCESS: &str = "nv_inference_request_success";
/// Requests refused or failed, by reason.
pub const REQUEST_FAILURE: &str = "nv_inference_request_failure";
/// Rows answered.
pub const INFERENCE_COUNT: &str = "nv_inference_count";
/// Executions.
pub const EXEC_COUNT: &str = "nv_inference_exec_count";
/// Requests that wait, under Triton's name.
pub const PENDING: &str = "nv_inference_pending_request_count";
/// Microseconds from a request's arrival to its answer, in all.
pub const REQUEST_US: &str = "nv_inference_request_duration_us";
/// Microseconds that requests waited, in all.
pub const QUEUE_US: &str = "nv_inference_queue_duration_us";
/// Microseconds of gathering inputs, for each request of a batch.
pub const COMPUTE_INPUT_US: &str = "nv_inference_compute_input_duration_us";
/// Microseconds of executing, for each request of a batch.
pub const COMPUTE_INFER_US: &str = "nv_inference_compute_infer_duration_us";
/// Microseconds of handing out outputs, for each request of a batch.
pub const COMPUTE_OUTPUT_US: &str = "nv_inference_compute_output_duration_us";
/// Seconds from a request's arrival to its result.
pub const REQUEST_SECONDS: &str = "girandole_request_duration_seconds";
/// Seconds that a request waited.
pub const QUEUE_SECONDS: &str = "girandole_queue_duration_seconds";
/// Seconds of a batch's execution, inputs and outputs included.
pub const COMPUTE_SECONDS: &str = "girandole_compute_duration_seconds";
/// Rows of a batch.
pub const BATCH_SIZE: &str = "girandole_batch_size";
/// Batches, by why they were run when they were.
pub const BATCHES: &str = "girandole_batches_total";
/// Requests that wait.
pub const QUEUE_DEPTH: &str = "girandole_queue_depth";
/// Batches that sessions are running.
pub const RUNNING: &str = "girandole_running_batches";
/// Instances whose session is lost and cannot be opened anew.
pub const WITHOUT_SESSION: &str = "girandole_instances_without_session";

/// Buckets of the duration histograms, in seconds: 100 microseconds to 10 seconds.
pub const DURATION_BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Buckets of the batch size histogram, in rows.
pub const BATCH_SIZE_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// The buckets of every histogram, by name.
pub const BUCKETS: &[(&str, &[f64])] = &[
    (REQUEST_SECONDS, DURATION_BUCKETS),
    (QUEUE_SECONDS, DURATION_BUCKETS),
    (COMPUTE_SECONDS, DURATION_BUCKETS),
    (BATCH_SIZE, BATCH_SIZE_BUCKETS),
    (device::SECONDS, device::BUCKETS),
    (shadow::DIFFERENCE, shadow::BUCKETS),
];

/// Why a request has no result, in Triton's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The queue was full, or its time was up.
    Rejected,
    /// The caller had gone.
    Canceled,
    /// The session failed.
    Backend,
    /// Anything else, such as inputs that do not fit.
    Other,
}

impl FailureReason {
    const ALL: [Self; 4] = [Self::Rejected, Self::Canceled, Self::Backend, Self::Other];

    const fn label(self) -> &'static str {
        match self {
            Self::Rejected => "REJECTED",
            Self::Canceled => "CANCELED",
            Self::Backend => "BACKEND",
            Self::Other => "OTHER",
        }
    }
}

impl Reason {
    const ALL: [Self; 4] = [Self::Full, Self::Preferred, Self::Timeout, Self::Idle];

    const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Preferred => "preferred",
            Self::Timeout => "timeout",
            Self::Idle => "idle",
        }
    }
}

/// Describes every metric of the runtime to the recorder in place.
pub fn describe() {
    describe_counter!(REQUEST_SUCCESS, "Number of successful inference requests");
    describe_counter!(REQUEST_FAILURE, "Number of failed inference requests, by reason");
    describe_counter!(INFERENCE_COUNT, "Number of inferences performed (rows of batches)");
    describe_counter!(EXEC_COUNT, "Number of model executions performed");
    describe_gauge!(PENDING, "Number of requests waiting in the queue");
    describe_counter!(REQUEST_US, "Cumulative inference request duration in microseconds");
    describe_counter!(QUEUE_US, "Cumulative inference queuing duration in microseconds");
    describe_counter!(COMPUTE_INPUT_US, "Cumulative compute input duration in microseconds");
    describe_counter!(COMPUTE_INFER_US, "Cumulative compute inference duration in microseconds");
    describe_counter!(COMPUTE_OUTPUT_US, "Cumulative compute output duration in microseconds");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "From a request's arrival to its result");
    describe_histogram!(QUEUE_SECONDS, Unit::Seconds, "How long a request waited in the queue");
    describe_histogram!(COMPUTE_SECONDS, Unit::Seconds, "How long a batch took, copies included");
    describe_histogram!(BATCH_SIZE, "Rows of a batch");
    describe_counter!(BATCHES, "Batches run, by why they were run when they were");
    describe_gauge!(QUEUE_DEPTH, "Number of requests waiting in the queue");
    describe_gauge!(RUNNING, "Number of batches that sessions are running");
    describe_gauge!(WITHOUT_SESSION, "Number of instances that have no session");
    breaker::describe();
    device::describe();
    traffic::describe();
    shadow::describe();
    rollout::describe();
}

/// One version's handles, resolved once: recording looks nothing up.
#[derive(Debug)]
pub(crate) struct VersionMetrics {
    success: Counter,
    failure: [Counter; 4],
    inferences: Counter,
    executions: Counter,
    request_us: Counter,
    queue_us: Counter,
    compute_us: [Counter; 3],
    request_seconds: Histogram,
    queue_seconds: Histogram,
    compute_seconds: Histogram,
    batch_size: Histogram,
    batches: [Counter; 4],
    depth: [Gauge; 2],
    running: Gauge,
    without_session: Gauge,
    /// Of a version that runs on a device of its own; known by its first batch.
    device: OnceLock<DeviceMetrics>,
    labels: Vec<Label>,
}

impl VersionMetrics {
    /// Registers every series of the version, at zero.
    pub(crate) fn new(model: &str, version: u64) -> Self {
        let labels = vec![Label::new("model", model.to_owned()), Label::new("version", version.to_string())];
        let with = |name: &'static str, value: &'static str| {
            labels.iter().cloned().chain([Label::from_static_parts(name, value)]).collect::<Vec<_>>()
        };
        let count = |name: &'static str| counter(name, labels.clone());
        let measure = |name: &'static str| histogram!(name, labels.clone());
        let this = Self {
            success: count(REQUEST_SUCCESS),
            failure: FailureReason::ALL
                .map(|reason| counter(REQUEST_FAILURE, with("reason", reason.label()))),
            inferences: count(INFERENCE_COUNT),
            executions: count(EXEC_COUNT),
            request_us: count(REQUEST_US),
            queue_us: count(QUEUE_US),
            compute_us: [COMPUTE_INPUT_US, COMPUTE_INFER_US, COMPUTE_OUTPUT_US].map(count),
            request_seconds: measure(REQUEST_SECONDS),
            queue_seconds: measure(QUEUE_SECONDS),
            compute_seconds: measure(COMPUTE_SECONDS),
            batch_size: measure(BATCH_SIZE),
            batches: Reason::ALL.map(|reason| counter(BATCHES, with("reason", reason.label()))),
            depth: [PENDING, QUEUE_DEPTH].map(|name| gauge!(name, labels.clone())),
            running: gauge!(RUNNING, labels.clone()),
            without_session: gauge!(WITHOUT_SESSION, labels.clone()),
            device: OnceLock::new(),
            labels,
        };
        this.queue_depth(0);
        this.running(0);
        this.without_session(0);
        this
    }

    pub(crate) fn execution(&self, execution: &Execution<'_>) {
        let requests = execution.requests.len() as u64;
        let parts = [execution.compute_input, execution.compute_infer, execution.compute_output];
        self.success.increment(requests);
        self.inferences.increment(execution.rows as u64);
        self.executions.increment(1);
        for (counter, part) in self.compute_us.iter().zip(parts) {
            counter.increment(micros(part).saturating_mul(requests));
        }
        for (queued, took) in execution.requests {
            self.request_us.increment(micros(*took));
            self.queue_us.increment(micros(*queued));
            self.request_seconds.record(*took);
            self.queue_seconds.record(*queued);
        }
        self.compute_seconds.record(parts.iter().sum::<Duration>());
        self.batch_size.record(execution.rows as f64);
        if let Some(counter) = self.batches.get(execution.reason as usize) {
            counter.increment(1);
        }
        if let Some(run) = &execution.device {
            self.device.get_or_init(|| DeviceMetrics::new(&self.labels)).run(run);
        }
    }

    /// Counted only: how fast requests are refused would hide how long answers take.
    pub(crate) fn failure(&self, reason: FailureReason) {
        if let Some(counter) = self.failure.get(reason as usize) {
            counter.increment(1);
        }
    }

    pub(crate) fn queue_depth(&self, requests: usize) {
        self.depth.iter().for_each(|gauge| gauge.set(requests as f64));
    }

    pub(crate) fn running(&self, batches: usize) {
        self.running.set(batches as f64);
    }

    pub(crate) fn without_session(&self, instances: usize) {
        self.without_session.set(instances as f64);
    }
}

/// A counter that exists from now on, also before it first counts.
fn counter(name: &'static str, labels: Vec<Label>) -> Counter {
    let counter = counter!(name, labels);
    counter.increment(0);
    counter
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use girandole_core::DeviceRun;
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// What an exporter shows after `record` has used a new version's metrics.
    fn rendered(record: impl FnOnce(&VersionMetrics)) -> String {
        let builder = BUCKETS.iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
            builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)
        });
        let recorder = builder.unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            record(&VersionMetrics::new("m", 3));
        });
        recorder.handle().render()
    }

    fn assert_line(text: &str, line: &str) {
        assert!(text.lines().any(|shown| shown == line), "no line {line} in\n{text}");
    }

    #[test]
    fn every_series_is_there_at_zero() {
        let text = rendered(|_| {});
        for name in [
            REQUEST_SUCCESS,
            INFERENCE_COUNT,
            EXEC_COUNT,
            PENDING,
            REQUEST_US,
            QUEUE_US,
            COMPUTE_INPUT_US,
            COMPUTE_INFER_US,
            COMPUTE_OUTPUT_US,
            QUEUE_DEPTH,
            RUNNING,
            WITHOUT_SESSION,
        ] {
            assert_line(&text, &format!("{name}{{model=\"m\",version=\"3\"}} 0"));
        }
        for reason in ["REJECTED", "CANCELED", "BACKEND", "OTHER"] {
            let labels = format!("model=\"m\",version=\"3\",reason=\"{reason}\"");
            assert_line(&text, &format!("{REQUEST_FAILURE}{{{labels}}} 0"));
        }
        for name in [REQUEST_SECONDS, QUEUE_SECONDS, COMPUTE_SECONDS, BATCH_SIZE] {
            assert_line(&text, &format!("{name}_count{{model=\"m\",version=\"3\"}} 0"));
        }
    }

    #[test]
    fn an_execution_counts_rows_requests_and_its_reason() {
        let text = rendered(|metrics| {
            metrics.execution(&Execution {
                rows: 5,
                reason: Reason::Preferred,
                compute_input: MS,
                compute_infer: 2 * MS,
                compute_output: MS,
                device: Some(DeviceRun { replayed: true, phases: None }),
                requests: &[(MS, 5 * MS), (2 * MS, 6 * MS)],
            });
            metrics.failure(FailureReason::Rejected);
        });
        let labels = "model=\"m\",version=\"3\"";
        for (name, value) in [
            (REQUEST_SUCCESS, 2),
            (INFERENCE_COUNT, 5),
            (EXEC_COUNT, 1),
            (REQUEST_US, 11_000),
            (QUEUE_US, 3_000),
            (COMPUTE_INFER_US, 4_000),
        ] {
            assert_line(&text, &format!("{name}{{{labels}}} {value}"));
        }
        assert_line(&text, &format!("{}{{{labels},result=\"hit\"}} 1", device::GRAPHS));
        assert_line(&text, &format!("{}{{{labels},result=\"miss\"}} 0", device::GRAPHS));
        assert_line(&text, &format!("{}_count{{{labels},phase=\"compute\"}} 0", device::SECONDS));
        assert_line(&text, &format!("{BATCHES}{{{labels},reason=\"preferred\"}} 1"));
        assert_line(&text, &format!("{BATCHES}{{{labels},reason=\"full\"}} 0"));
        assert_line(&text, &format!("{REQUEST_FAILURE}{{{labels},reason=\"REJECTED\"}} 1"));
        assert_line(&text, &format!("{BATCH_SIZE}_bucket{{{labels},le=\"4\"}} 0"));
        assert_line(&text, &format!("{BATCH_SIZE}_bucket{{{labels},le=\"8\"}} 1"));
    }
}
