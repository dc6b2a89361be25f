//! What people get to know about a rollout.

use std::time::Duration;

use girandole_rollout::{self as rollout, Decision, Hold, Phase, Reason, Seen, Verdict, decide, judge};

use super::Rollout;

/// A rollout as of now.
#[derive(Clone, Debug)]
pub struct RolloutStatus {
    /// Where it stands: `pending`, `progressing`, `paused`, `healthy` or `degraded`.
    pub phase: Phase,
    /// The step that runs or ran last, 1 the first; 0 before it.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// What the canary gets of a hundred requests to both arms.
    pub weight: f64,
    /// When the step, the end or the rollback began, since the Unix epoch.
    pub since: Duration,
    /// What it waits for.
    pub waits_for: Option<Hold>,
    /// Why it was taken back.
    pub reason: Option<Reason>,
    /// What serves before.
    pub stable: ArmStatus,
    /// What is tried.
    pub canary: ArmStatus,
    /// Each guard with its bound as of now, or as of the end; empty where nothing was looked at.
    pub guards: Vec<Verdict>,
}

/// One arm in the step that runs, or ran last.
#[derive(Clone, Debug)]
pub struct ArmStatus {
    /// Its version.
    pub version: u64,
    /// Requests that have an outcome.
    pub requests: u64,
    /// Of these, those that failed.
    pub errors: u64,
    /// The median latency of the others.
    pub latency_p50: Option<Duration>,
    /// The 99th percentile.
    pub latency_p99: Option<Duration>,
}

impl Rollout {
    /// What there is to know about it now. Looking changes nothing.
    pub(crate) fn status(&self, serves: impl Fn(u64) -> bool, now: Duration) -> RolloutStatus {
        let (plan, state, arms) = (&self.written.plan, &self.state, self.watch.arms());
        let observed = self.watch.observed();
        let looked = state.is_running() || state.is_over() && observed.looks > 0;
        let guards = if looked { judge(plan, &observed) } else { Vec::new() };
        let (stable, canary) = (arm(arms.stable, &observed.stable), arm(arms.canary, &observed.canary));
        let ready = serves(arms.stable) && serves(arms.canary);
        let waits_for = match decide(plan, state, &Seen { ready, observed, now }) {
            Decision::Hold(Hold::Ended) => None,
            Decision::Hold(hold) => Some(hold),
            _ => None,
        };
        let began = state.phase != Phase::Pending;
        RolloutStatus {
            phase: state.phase,
            step: if began { state.step + 1 } else { 0 },
            steps: plan.steps.len(),
            weight: self.weight(),
            since: state.since,
            waits_for,
            reason: state.reason,
            stable,
            canary,
            guards,
        }
    }
}

fn arm(version: u64, seen: &rollout::Arm) -> ArmStatus {
    ArmStatus {
        version,
        requests: seen.requests(),
        errors: seen.errors,
        latency_p50: seen.latency_quantile(0.5),
        latency_p99: seen.latency_quantile(0.99),
    }
}
