//! Counts and durations since each version was loaded.

use girandole_access::{Action, Caller};
use girandole_core::{DeviceKind, MemoryUse, Result, VersionSelector};
use girandole_proto::oip::{self, ModelStatisticsRequest, ModelStatisticsResponse};
use girandole_runtime::statistics::{BatchStatistics, InferStatistics, ModelStatistics, StatisticDuration};

use crate::{
    oip::{Oip, convert},
    security::visible,
};

/// Of one model, or of every one where the request names none.
pub(super) fn model(
    oip: &Oip,
    message: &ModelStatisticsRequest,
    caller: Option<&Caller>,
) -> Result<ModelStatisticsResponse> {
    let statistics = if message.name.is_empty() {
        visible(oip.service.statistics(None, &VersionSelector::Any)?, caller, |one| &one.name)
    } else {
        oip.guard.permits(caller, Action::Observe, &message.name)?;
        let (name, version) = convert::model(&message.name, &message.version)?;
        oip.service.statistics(Some(name), &version)?
    };
    Ok(ModelStatisticsResponse { model_stats: statistics.into_iter().map(one).collect() })
}

fn one(of: ModelStatistics) -> oip::ModelStatistics {
    oip::ModelStatistics {
        name: of.name,
        version: of.version.to_string(),
        last_inference: of.last_inference_ms,
        inference_count: of.inference_count,
        execution_count: of.execution_count,
        inference_stats: Some(phases(of.inference)),
        batch_stats: of.batches.into_iter().map(batch).collect(),
        memory_usage: of.memory.into_iter().map(memory).collect(),
        ..oip::ModelStatistics::default()
    }
}

fn phases(of: InferStatistics) -> oip::InferStatistics {
    oip::InferStatistics {
        success: duration(of.success),
        fail: duration(of.fail),
        queue: duration(of.queue),
        compute_input: duration(of.compute_input),
        compute_infer: duration(of.compute_infer),
        compute_output: duration(of.compute_output),
        cache_hit: duration(of.cache_hit),
        cache_miss: duration(of.cache_miss),
    }
}

fn batch(of: BatchStatistics) -> oip::InferBatchStatistics {
    oip::InferBatchStatistics {
        batch_size: of.batch_size,
        compute_input: duration(of.compute_input),
        compute_infer: duration(of.compute_infer),
        compute_output: duration(of.compute_output),
    }
}

fn memory(of: MemoryUse) -> oip::MemoryUsage {
    let kind = match of.placement.kind {
        DeviceKind::Cpu => "CPU",
        DeviceKind::Gpu => "GPU",
    };
    oip::MemoryUsage {
        r#type: kind.to_owned(),
        id: i64::try_from(of.placement.index).unwrap_or(i64::MAX),
        byte_size: of.bytes,
    }
}

fn duration(of: StatisticDuration) -> Option<oip::StatisticDuration> {
    Some(oip::StatisticDuration { count: of.count, ns: of.ns })
}
