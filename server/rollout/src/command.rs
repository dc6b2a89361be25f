//! What a person may do about a rollout.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Decision, Phase, Plan, Reason, State,
    decide::{next, waits_for_person},
};

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Begins anew with the first step, after a rollback or an end.
    Start,
    /// Stays at this step.
    Pause,
    /// Goes on after a pause; a step that waits for a person is over with it.
    Resume,
    /// Goes to the next step now, whatever this one still waits for.
    Promote,
    /// Gives the canary everything now.
    PromoteFull,
    /// Gives the canary nothing any more.
    Abort,
}

/// The state that a command leads to.
///
/// # Errors
/// Why it cannot be done where the rollout stands.
pub fn command(plan: &Plan, state: &State, asked: Command, now: Duration) -> Result<State, String> {
    let promoted = |step: usize| state.after(plan, next(plan, step), now);
    match (asked, state.phase) {
        (Command::Start, Phase::Healthy | Phase::Degraded) => Ok(State { since: now, ..State::default() }),
        (Command::Pause, Phase::Progressing) => Ok(State { phase: Phase::Paused, ..*state }),
        (Command::Resume, Phase::Paused) if waits_for_person(plan, state.step) => Ok(promoted(state.step)),
        (Command::Resume, Phase::Paused) => Ok(State { phase: Phase::Progressing, ..*state }),
        (Command::Promote, Phase::Progressing | Phase::Paused) => Ok(promoted(state.step)),
        (Command::PromoteFull, Phase::Pending | Phase::Progressing | Phase::Paused) => {
            Ok(state.after(plan, Decision::Complete, now))
        }
        (Command::Abort, Phase::Pending | Phase::Progressing | Phase::Paused | Phase::Healthy) => {
            Ok(state.after(plan, Decision::RollBack(Reason::Aborted), now))
        }
        (_, phase) => Err(format!("'{}' is not possible while it is {}", asked.as_str(), phase.as_str())),
    }
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Pause, Self::Resume, Self::Promote, Self::PromoteFull, Self::Abort];

    /// Its name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::PromoteFull => "promote_full",
            Self::Abort => "abort",
        }
    }
}
