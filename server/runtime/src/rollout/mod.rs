//! A model's rollout while it runs: what its file says, where it stands, and what is seen of its arms.
//!
//! [`girandole_rollout`] decides; here is what it decides on, and what follows from it. A [`Rollout`] is part of the
//! snapshot and never changed: the lifecycle puts the next one in its place, with the split's weights that belong to
//! it, in one step.

mod change;
mod clock;
mod metrics;
mod status;
mod store;
mod value;
mod watch;

use std::{sync::Arc, time::Duration};

use girandole_core::{Error, Result};
pub use girandole_rollout::{Command, Hold, Metric, Phase, Reason, Verdict};
use girandole_rollout::{Decision, Seen, State, command, decide};

pub use self::status::{ArmStatus, RolloutStatus};
pub(crate) use self::{
    clock::Clock,
    metrics::{RolloutMetrics, describe},
    store::{Key, Store},
    watch::{Sample, Watch},
};
use crate::traffic::{self, Arms};

/// A rollout as of one moment.
#[derive(Clone, Debug)]
pub struct Rollout {
    written: Arc<traffic::Rollout>,
    state: State,
    watch: Arc<Watch>,
}

impl Rollout {
    /// A rollout where it was left, or at its beginning. A step that ran begins anew: what was seen of it is gone.
    pub(crate) fn new(written: &traffic::Rollout, arms: Arms, left: Option<State>, now: Duration) -> Self {
        let state = left.unwrap_or(State { since: now, ..State::default() });
        let state = if state.is_running() { State { since: now, ..state } } else { state };
        Self { watch: Arc::new(Watch::new(written, arms)), written: Arc::new(written.clone()), state }
    }

    /// What makes it the same rollout: plan and versions.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.written, self.watch.arms())
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// What the file says about it.
    pub(crate) fn written(&self) -> &traffic::Rollout {
        &self.written
    }

    /// What the canary gets of a hundred requests to both arms.
    pub fn weight(&self) -> f64 {
        self.state.weight(&self.written.plan)
    }

    /// What is seen of its arms now; `None` where nobody looks.
    pub(crate) fn watch(&self) -> Option<&Arc<Watch>> {
        self.state.is_running().then_some(&self.watch)
    }

    /// Looks at it. What comes next, where that is another state.
    pub(crate) fn look(&self, serves: impl Fn(u64) -> bool, now: Duration) -> Option<Self> {
        let plan = &self.written.plan;
        let arms = self.watch.arms();
        let ready = serves(arms.stable) && serves(arms.canary);
        let observed = self.watch.look(plan);
        match decide(plan, &self.state, &Seen { ready, observed, now }) {
            Decision::Hold(_) => None,
            decision => Some(self.at(self.state.after(plan, decision, now))),
        }
    }

    /// Does what a person asks for.
    ///
    /// # Errors
    /// `InvalidArgument` where that is not possible as it stands.
    pub(crate) fn obey(&self, asked: Command, now: Duration) -> Result<Self> {
        let state = command(&self.written.plan, &self.state, asked, now);
        state.map(|state| self.at(state)).map_err(|why| Error::invalid(format!("rollout: {why}")))
    }

    /// The same in another state. A step begins with nothing seen; what was seen of the last one stays for people.
    fn at(&self, state: State) -> Self {
        let same_step = self.state.is_running() && state.is_running() && state.step == self.state.step;
        let watch = match same_step || state.is_over() {
            true => self.watch.clone(),
            false => Arc::new(self.watch.anew(&self.written)),
        };
        Self { written: self.written.clone(), state, watch }
    }

    /// How often it is to be looked at; `None` where it is over.
    pub(crate) fn interval(&self) -> Option<Duration> {
        (!self.state.is_over()).then_some(self.written.plan.interval)
    }
}
