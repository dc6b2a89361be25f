//! What to do about a rollout now.

use std::time::Duration;

use crate::{Observed, Pause, Phase, Plan, Reason, State, Step, Verdict, judge};

/// What is known at a look.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Both versions serve.
    pub ready: bool,
    /// What they answered in this step.
    pub observed: Observed,
    /// Since the Unix epoch.
    pub now: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Nothing yet.
    Hold(Hold),
    /// This step begins; the first is 0.
    Advance(usize),
    /// The canary gets nothing any more.
    RollBack(Reason),
    /// The canary gets everything.
    Complete,
}

/// What a rollout waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing: it is done, or taken back.
    Ended,
    /// Both versions to serve.
    Versions,
    /// A person.
    Person,
    /// The step's time.
    Time,
    /// The canary's requests.
    Requests,
    /// A guard's samples.
    Samples,
}

/// The next thing to do.
pub fn decide(plan: &Plan, state: &State, seen: &Seen) -> Decision {
    match state.phase {
        Phase::Healthy | Phase::Degraded => Decision::Hold(Hold::Ended),
        Phase::Pending if seen.ready => Decision::Advance(0),
        Phase::Pending => Decision::Hold(Hold::Versions),
        Phase::Progressing | Phase::Paused => running(plan, state, seen),
    }
}

fn running(plan: &Plan, state: &State, seen: &Seen) -> Decision {
    let verdicts = judge(plan, &seen.observed);
    if let Some(broken) = verdicts.iter().find(|verdict| verdict.broken()) {
        return Decision::RollBack(Reason::Guard(*broken));
    }
    // A plan that lost steps is another plan, which begins anew.
    let Some(step) = plan.steps.get(state.step) else { return Decision::Complete };
    match waits(plan, state, step, seen, &verdicts) {
        Some(hold) => Decision::Hold(hold),
        None => next(plan, state.step),
    }
}

/// What comes after a step.
pub(crate) fn next(plan: &Plan, step: usize) -> Decision {
    if step + 1 < plan.steps.len() { Decision::Advance(step + 1) } else { Decision::Complete }
}

/// What a step still waits for.
fn waits(plan: &Plan, state: &State, step: &Step, seen: &Seen, verdicts: &[Verdict]) -> Option<Hold> {
    if state.phase == Phase::Paused {
        return Some(Hold::Person);
    }
    if !seen.ready {
        return Some(Hold::Versions);
    }
    if let Pause::Until { duration, requests } = step.pause {
        if duration.is_some_and(|duration| seen.now.saturating_sub(state.since) < duration) {
            return Some(Hold::Time);
        }
        if requests.is_some_and(|requests| seen.observed.canary.requests() < requests) {
            return Some(Hold::Requests);
        }
    }
    // With all requests at the canary nothing comes to compare it with.
    let canary_alone = step.set_weight >= 100.0;
    let enough = |verdict: &Verdict| verdict.samples >= plan.min_samples;
    let seen_enough = match canary_alone {
        true => seen.observed.canary.requests() >= plan.min_samples,
        false => verdicts.iter().all(enough),
    };
    (!seen_enough).then_some(Hold::Samples)
}

/// Whether only a person ends this step.
pub(crate) fn waits_for_person(plan: &Plan, step: usize) -> bool {
    plan.steps.get(step).is_some_and(|step| step.pause == Pause::Promoted)
}

impl State {
    /// Does what was decided.
    #[must_use]
    pub fn after(&self, plan: &Plan, decision: Decision, now: Duration) -> Self {
        match decision {
            Decision::Hold(_) => *self,
            Decision::Advance(step) => {
                let phase = if waits_for_person(plan, step) { Phase::Paused } else { Phase::Progressing };
                Self { phase, step, since: now, reason: None }
            }
            Decision::RollBack(reason) => {
                Self { phase: Phase::Degraded, since: now, reason: Some(reason), ..*self }
            }
            Decision::Complete => Self { phase: Phase::Healthy, since: now, reason: None, ..*self },
        }
    }
}

impl Hold {
    /// What it waits for, in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "nothing",
            Self::Versions => "both versions to serve",
            Self::Person => "a person",
            Self::Time => "the step's time",
            Self::Requests => "the step's requests",
            Self::Samples => "each guard's samples",
        }
    }
}

#[cfg(test)]
mod tests;
