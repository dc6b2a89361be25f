//! What a version does on a device of its own: graphs replayed, the device's own clock, memory, precision.

use girandole_core::{DeviceRun, PrecisionReport};
use metrics::{
    Counter, Gauge, Histogram, Label, Unit, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Batches on a GPU, by whether a graph that was captured earlier was replayed.
pub(super) const GRAPHS: &str = "girandole_cuda_graph_total";
/// Seconds by the device's clock, by phase; of the batches that were timed.
pub(super) const SECONDS: &str = "girandole_device_duration_seconds";
/// Bytes of a version on a device.
const MEMORY: &str = "girandole_device_memory_bytes";
/// How far a version's outputs are from full precision.
const PRECISION_ERROR: &str = "girandole_precision_error";

/// Buckets of [`SECONDS`]: 5 microseconds to 1 second.
pub(super) const BUCKETS: &[f64] = &[
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 1.0,
];

/// Describes these metrics to the recorder in place.
pub(super) fn describe() {
    describe_counter!(GRAPHS, "Batches on a GPU: hit replayed a captured graph, miss ran step by step");
    describe_histogram!(SECONDS, Unit::Seconds, "What a timed batch's phase took by the GPU's clock");
    describe_gauge!(MEMORY, Unit::Bytes, "Memory of a version on a GPU: weights and sessions");
    describe_gauge!(PRECISION_ERROR, "Measured error of the precision asked for, relative to fp32");
}

/// One version's handles.
#[derive(Debug)]
pub(super) struct DeviceMetrics {
    hit: Counter,
    miss: Counter,
    copy_in: Histogram,
    compute: Histogram,
    copy_out: Histogram,
}

impl DeviceMetrics {
    pub(super) fn new(labels: &[Label]) -> Self {
        let with = |name: &'static str, value: &'static str| {
            labels.iter().cloned().chain([Label::from_static_parts(name, value)]).collect::<Vec<_>>()
        };
        let phase = |phase: &'static str| histogram!(SECONDS, with("phase", phase));
        Self {
            hit: super::counter(GRAPHS, with("result", "hit")),
            miss: super::counter(GRAPHS, with("result", "miss")),
            copy_in: phase("copy_in"),
            compute: phase("compute"),
            copy_out: phase("copy_out"),
        }
    }

    pub(super) fn run(&self, run: &DeviceRun) {
        if run.replayed { &self.hit } else { &self.miss }.increment(1);
        if let Some(phases) = &run.phases {
            self.copy_in.record(phases.copy_in);
            self.compute.record(phases.compute);
            self.copy_out.record(phases.copy_out);
        }
    }
}

/// The memory that a version holds on one device.
#[derive(Debug)]
pub(crate) struct DeviceMemoryGauge(Gauge);

impl DeviceMemoryGauge {
    /// Registered, at zero.
    pub(crate) fn new(model: &str, version: u64, device: usize) -> Self {
        let (model, version, device) = (model.to_owned(), version.to_string(), device.to_string());
        let this = Self(gauge!(MEMORY, "model" => model, "version" => version, "device" => device));
        this.set(0);
        this
    }

    pub(crate) fn set(&self, bytes: u64) {
        self.0.set(bytes as f64);
    }
}

/// The error that was measured of a version before it served, where it could be.
pub(crate) fn precision_error(model: &str, version: u64, report: &PrecisionReport) {
    if let Ok(error) = report.error {
        let (model, version) = (model.to_owned(), version.to_string());
        gauge!(PRECISION_ERROR, "model" => model, "version" => version, "precision" => report.asked)
            .set(error);
    }
}
