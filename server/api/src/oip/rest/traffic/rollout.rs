//! A rollout as clients see it.

use std::time::{Duration, UNIX_EPOCH};

use girandole_runtime::rollout::{ArmStatus, RolloutStatus, Verdict};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Rollout {
    state: &'static str,
    step: usize,
    steps: usize,
    weight: f64,
    since: String,
    waits_for: Option<&'static str>,
    reason: Option<String>,
    stable: Arm,
    canary: Arm,
    guards: Vec<Guard>,
}

#[derive(Serialize)]
struct Arm {
    version: u64,
    requests: u64,
    errors: u64,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
}

#[derive(Serialize)]
struct Guard {
    name: &'static str,
    limit: f64,
    bound: f64,
    estimate: Option<f64>,
    samples: u64,
    broken: bool,
}

impl From<RolloutStatus> for Rollout {
    fn from(status: RolloutStatus) -> Self {
        Self {
            state: status.phase.as_str(),
            step: status.step,
            steps: status.steps,
            weight: status.weight,
            since: humantime::format_rfc3339_millis(UNIX_EPOCH + status.since).to_string(),
            waits_for: status.waits_for.map(|hold| hold.as_str()),
            reason: status.reason.map(|reason| reason.to_string()),
            stable: arm(&status.stable),
            canary: arm(&status.canary),
            guards: status.guards.iter().map(guard).collect(),
        }
    }
}

fn arm(arm: &ArmStatus) -> Arm {
    let millis = |latency: Duration| rounded(latency.as_secs_f64() * 1e3);
    Arm {
        version: arm.version,
        requests: arm.requests,
        errors: arm.errors,
        latency_p50_ms: arm.latency_p50.map(millis),
        latency_p99_ms: arm.latency_p99.map(millis),
    }
}

fn guard(verdict: &Verdict) -> Guard {
    Guard {
        name: verdict.metric.as_str(),
        limit: verdict.limit,
        bound: rounded(verdict.bound),
        estimate: verdict.estimate.map(rounded),
        samples: verdict.samples,
        broken: verdict.broken(),
    }
}

/// More digits are noise.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
