//! What is told of a rollout that moved, for the audit log.

use girandole_core::audit::{Change, What};

use super::{Command, Phase, Rollout};

impl Rollout {
    /// What happened from `before` to this, by itself or because a person asked.
    pub(crate) fn change(&self, before: &Self, asked: Option<Command>) -> Change {
        let what = match (asked, self.state.phase) {
            (Some(Command::Start), _) => What::RolloutStarted,
            (Some(Command::Pause), _) => What::RolloutPaused,
            (Some(Command::Abort), _) => What::RolloutAborted,
            (_, Phase::Degraded) => What::RolloutRolledBack { reason: self.reason() },
            (_, Phase::Healthy) => What::RolloutPromoted,
            (Some(Command::Resume), _) if before.state.step == self.state.step => What::RolloutResumed,
            _ => What::RolloutAdvanced { weight: self.weight() },
        };
        let arms = self.watch.arms();
        Change::new(what).versions([arms.stable, arms.canary])
    }

    fn reason(&self) -> String {
        self.state.reason.map(|reason| reason.to_string()).unwrap_or_default()
    }
}
