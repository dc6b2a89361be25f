//! Counts and durations since each version was loaded.

use axum::{Extension, extract::State};
use girandole_access::Caller;
use girandole_core::{DeviceKind, MemoryUse, VersionSelector};
use girandole_runtime::statistics::{BatchStatistics, InferStatistics, ModelStatistics, StatisticDuration};
use serde::Serialize;

use super::{Answer, path::ModelPath};
use crate::{oip::Oip, security::visible};

#[derive(Serialize)]
struct All {
    model_stats: Vec<Model>,
}

#[derive(Serialize)]
struct Model {
    name: String,
    version: String,
    last_inference: u64,
    inference_count: u64,
    execution_count: u64,
    inference_stats: Infer,
    response_stats: std::collections::BTreeMap<String, Duration>,
    batch_stats: Vec<Batch>,
    memory_usage: Vec<Memory>,
}

#[derive(Serialize)]
struct Duration {
    count: u64,
    ns: u64,
}

#[derive(Serialize)]
struct Infer {
    success: Duration,
    fail: Duration,
    queue: Duration,
    compute_input: Duration,
    compute_infer: Duration,
    compute_output: Duration,
    cache_hit: Duration,
    cache_miss: Duration,
}

#[derive(Serialize)]
struct Batch {
    batch_size: u64,
    compute_input: Duration,
    compute_infer: Duration,
    compute_output: Duration,
}

#[derive(Serialize)]
struct Memory {
    r#type: &'static str,
    id: usize,
    byte_size: u64,
}

/// Of every model.
pub(super) async fn all(State(oip): State<Oip>, caller: Option<Extension<Caller>>) -> Answer {
    let statistics = oip.service.statistics(None, &VersionSelector::Any)?;
    answer(visible(statistics, caller.as_deref(), |one| &one.name))
}

/// Of one model, or one version of it.
pub(super) async fn model(State(oip): State<Oip>, path: ModelPath) -> Answer {
    answer(oip.service.statistics(Some(&path.name), &path.version)?)
}

fn answer(statistics: Vec<ModelStatistics>) -> Answer {
    super::json(&All { model_stats: statistics.into_iter().map(Model::from).collect() })
}

impl From<ModelStatistics> for Model {
    fn from(of: ModelStatistics) -> Self {
        Self {
            name: of.name,
            version: of.version.to_string(),
            last_inference: of.last_inference_ms,
            inference_count: of.inference_count,
            execution_count: of.execution_count,
            inference_stats: of.inference.into(),
            response_stats: std::collections::BTreeMap::new(),
            batch_stats: of.batches.into_iter().map(Batch::from).collect(),
            memory_usage: of.memory.into_iter().map(Memory::from).collect(),
        }
    }
}

impl From<StatisticDuration> for Duration {
    fn from(of: StatisticDuration) -> Self {
        Self { count: of.count, ns: of.ns }
    }
}

impl From<InferStatistics> for Infer {
    fn from(of: InferStatistics) -> Self {
        Self {
            success: of.success.into(),
            fail: of.fail.into(),
            queue: of.queue.into(),
            compute_input: of.compute_input.into(),
            compute_infer: of.compute_infer.into(),
            compute_output: of.compute_output.into(),
            cache_hit: of.cache_hit.into(),
            cache_miss: of.cache_miss.into(),
        }
    }
}

impl From<BatchStatistics> for Batch {
    fn from(of: BatchStatistics) -> Self {
        Self {
            batch_size: of.batch_size,
            compute_input: of.compute_input.into(),
            compute_infer: of.compute_infer.into(),
            compute_output: of.compute_output.into(),
        }
    }
}

impl From<MemoryUse> for Memory {
    fn from(of: MemoryUse) -> Self {
        let kind = match of.placement.kind {
            DeviceKind::Cpu => "CPU",
            DeviceKind::Gpu => "GPU",
        };
        Self { r#type: kind, id: of.placement.index, byte_size: of.bytes }
    }
}
