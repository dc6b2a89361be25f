//! Rollouts for people: where one stands, and what to do about it.
//!
//! The seam for whatever asks: [`rollout_status`](Service::rollout_status) reads the snapshot and costs nothing that
//! requests feel; [`control_rollout`](Service::control_rollout) is done when its outcome is published. Who may ask is
//! the protocol's to know.

use girandole_core::{Error, Result, audit::Actor};
use tokio::sync::oneshot;

use super::Service;
use crate::{
    lifecycle::Event,
    rollout::{Command, RolloutStatus},
    snapshot::unknown_model,
};

impl Service {
    /// Where a model's rollout stands, with each guard's bound as of now; `None` where it has none.
    ///
    /// # Errors
    /// `NotFound` for an unknown model.
    pub fn rollout_status(&self, model: &str) -> Result<Option<RolloutStatus>> {
        let snapshot = self.0.snapshot.load();
        let found = snapshot.models.get(model).ok_or_else(|| unknown_model(model))?;
        let serves = |version| found.versions.contains_key(&version);
        Ok(found.routes.rollout.as_ref().map(|rollout| rollout.status(serves, self.0.clock.now())))
    }

    /// Does to a model's rollout what a person asks for, and waits until requests go that way.
    ///
    /// # Errors
    /// `NotFound` for an unknown model and one without a rollout, `InvalidArgument` where that is not possible as the
    /// rollout stands, `Unavailable` while the server shuts down.
    pub async fn control_rollout(&self, model: &str, asked: Command, who: Actor) -> Result<()> {
        self.ask(|done| Event::Rollout(model.to_owned(), asked, who, done)).await
    }

    /// Waits for what the lifecycle makes of an event.
    pub(super) async fn ask(&self, event: impl FnOnce(oneshot::Sender<Result<()>>) -> Event) -> Result<()> {
        let ended = || Error::unavailable("the server is shutting down");
        let (done, outcome) = oneshot::channel();
        self.0.events.send(event(done)).map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}
