//! Rollouts over time: the manager looks at each when its interval is over, and acts on what was decided.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use girandole_core::{Error, Result, audit::Actor};
use tracing::{info, warn};

use super::{
    entry::Done,
    manager::{Event, Manager},
};
use crate::{
    rollout::{Clock, Command, Rollout, RolloutMetrics, Store},
    snapshot::unknown_model,
    traffic::{Applied, LastGood, Traffic},
};

/// Where it is remembered within the first repository, where nobody says another folder.
const STATE_DIR: &str = ".girandole";

/// What all models' traffic shares: a clock, and what outlasts the process.
pub(super) struct Rollouts {
    pub(super) clock: Clock,
    store: Store,
    pub(super) applied: Applied,
    state_dir: PathBuf,
}

impl Rollouts {
    /// Remembers in `state_dir`, or beside the models.
    pub(super) fn open(clock: Clock, state_dir: Option<PathBuf>, repositories: &[PathBuf]) -> Self {
        let beside = || repositories.first().map(|root| root.join(STATE_DIR)).unwrap_or_default();
        let dir = state_dir.unwrap_or_else(beside);
        Self { clock, applied: Applied::open(&dir), store: Store::open(dir.clone()), state_dir: dir }
    }

    /// Where a model's labels pointed last.
    pub(super) fn last_good(&self, model: &str) -> LastGood {
        LastGood::open(&self.state_dir, model)
    }

    /// The rollout that a traffic file asks for: the one before where it is the same, else one as it was left.
    pub(super) fn follow(
        &mut self,
        model: &str,
        traffic: &Traffic,
        before: Option<&Rollout>,
    ) -> Option<Rollout> {
        let (written, arms) = traffic.rolls_out()?;
        let rollout = Rollout::new(written, arms, None, self.clock.now());
        let key = rollout.key();
        if let Some(before) = before.filter(|before| before.key() == key && before.written() == written) {
            return Some(before.clone());
        }
        let left = self.store.left(model, &key);
        Some(Rollout::new(written, arms, left, self.clock.now()))
    }

    /// Tells everybody that a rollout stands elsewhere now.
    pub(super) fn moved(&mut self, model: &str, rollout: &Rollout) {
        let state = *rollout.state();
        self.store.save(model, rollout.key(), state);
        let (phase, step, weight) = (state.phase.as_str(), state.step + 1, rollout.weight());
        match state.reason {
            Some(reason) => {
                RolloutMetrics(model).rolled_back(&reason);
                warn!(%model, step, %reason, "the canary was rolled back to 0 %");
            }
            None => info!(%model, phase, step, weight, "the rollout moved"),
        }
    }
}

impl Manager {
    /// Waits for what is next: an event, or a timeout where a rollout is to be looked at or a load takes long.
    pub(super) fn wait(&self, events: &Receiver<Event>) -> Result<Event, RecvTimeoutError> {
        let dues = self.state.entries.values().filter_map(|entry| entry.signposts.due());
        let Some(due) = dues.chain(self.overdue()).min() else {
            return events.recv().map_err(|_| RecvTimeoutError::Disconnected);
        };
        match due.saturating_sub(self.rollouts.clock.now()) {
            // Events in a row must not put a look off.
            Duration::ZERO => Err(RecvTimeoutError::Timeout),
            left => events.recv_timeout(left),
        }
    }

    /// Looks at every rollout whose time has come. True where one moved.
    pub(super) fn look(&mut self) -> bool {
        let (rollouts, mut moved) = (&mut self.rollouts, false);
        for (name, entry) in &mut self.state.entries {
            if let Some(change) = entry.signposts.look(name, &entry.serving, rollouts) {
                entry.changes.push((Actor::Server, change));
                moved = true;
            }
        }
        moved
    }

    /// Does what a person asks for.
    pub(super) fn control_rollout(&mut self, model: &Arc<str>, asked: Command, who: Actor, done: Done) {
        let outcome = self.obey(model, asked, who);
        self.state.answers.push((done, outcome));
    }

    fn obey(&mut self, model: &Arc<str>, asked: Command, who: Actor) -> Result<()> {
        let entry = self.state.entries.get_mut(model).ok_or_else(|| unknown_model(model))?;
        info!(%model, command = asked.as_str(), %who, "a person acts on the rollout");
        let change = entry.signposts.obey(model, asked, &mut self.rollouts);
        let change = change.map_err(|error: Error| error.context(format!("model '{model}'")))?;
        entry.changes.push((who, change));
        Ok(())
    }
}
