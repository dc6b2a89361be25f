//! Gauges of the GPUs, under the names that Triton gives them.

use std::time::Duration;

use girandole_engine::gpu::{Reading, Watch};
use metrics::{Unit, describe_gauge, gauge};

/// How often they are read.
const EVERY: Duration = Duration::from_secs(2);

const UTILIZATION: &str = "nv_gpu_utilization";
const MEMORY_TOTAL: &str = "nv_gpu_memory_total_bytes";
const MEMORY_USED: &str = "nv_gpu_memory_used_bytes";
const POWER: &str = "nv_gpu_power_usage";

/// Reads the GPUs from now on, where NVIDIA's management library is on this machine.
pub(crate) fn watch() {
    let Some(watch) = Watch::open() else { return };
    describe_gauge!(UTILIZATION, "part of the last moments in which the GPU computed, 0 to 1");
    describe_gauge!(MEMORY_TOTAL, Unit::Bytes, "memory of the GPU");
    describe_gauge!(MEMORY_USED, Unit::Bytes, "memory of the GPU in use, by anybody");
    describe_gauge!(POWER, "watts that the GPU takes");
    // The library may take milliseconds, which are not the requests' to wait for.
    std::thread::spawn(move || {
        loop {
            watch.read().iter().for_each(show);
            std::thread::sleep(EVERY);
        }
    });
}

fn show(reading: &Reading) {
    let values = [
        (UTILIZATION, reading.utilization),
        (MEMORY_TOTAL, reading.memory_total.map(|bytes| bytes as f64)),
        (MEMORY_USED, reading.memory_used.map(|bytes| bytes as f64)),
        (POWER, reading.power),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            gauge!(name, "gpu_uuid" => reading.uuid.clone()).set(value);
        }
    }
}
