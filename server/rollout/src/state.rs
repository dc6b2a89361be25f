//! Where a rollout stands.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Plan, Verdict};

/// Where a rollout stands, in the words of Argo Rollouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits until both versions serve; the canary gets nothing.
    #[default]
    Pending,
    /// A step runs.
    Progressing,
    /// A step runs, and the next one waits for a person.
    Paused,
    /// It is done: the canary gets everything.
    Healthy,
    /// It was taken back: the canary gets nothing until a person acts.
    Degraded,
}

/// Why it was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A guard rail was broken.
    Guard(Verdict),
    /// A person did it.
    Aborted,
}

/// All that a rollout has to remember.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// The step that runs, or ran last; the first is 0.
    pub step: usize,
    /// When this began, since the Unix epoch.
    pub since: Duration,
    /// Why it was taken back.
    pub reason: Option<Reason>,
}

impl State {
    /// What the canary gets of a hundred requests to both arms.
    pub fn weight(&self, plan: &Plan) -> f64 {
        match self.phase {
            Phase::Pending | Phase::Degraded => 0.0,
            Phase::Progressing | Phase::Paused => {
                plan.steps.get(self.step).map_or(0.0, |step| step.set_weight)
            }
            Phase::Healthy => 100.0,
        }
    }

    /// Whether a step runs, so that guards are looked at.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Progressing | Phase::Paused)
    }

    /// Whether it ended: only a person begins it anew.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Healthy | Phase::Degraded)
    }
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Progressing, Self::Paused, Self::Healthy, Self::Degraded];

    /// Its name in metrics and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Progressing => "progressing",
            Self::Paused => "paused",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
        }
    }
}

impl Reason {
    /// Its name in metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Guard(verdict) => verdict.metric.as_str(),
            Self::Aborted => "aborted",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guard(verdict) => verdict.fmt(f),
            Self::Aborted => f.write_str("aborted by a person"),
        }
    }
}
