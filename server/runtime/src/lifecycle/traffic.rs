//! Traffic as the manager follows it: what scans and loads find, and what is written by request.
//!
//! Invariant: who began to look before a write says nothing about it, and takes nothing back.

use std::{sync::Arc, time::Instant};

use girandole_core::audit::{Actor, What};
use tracing::{error, info};

use super::{
    entry::{Done, Task},
    manager::{Manager, shutting_down},
};
use crate::{repository::Listing, traffic::FoundTraffic};

/// A traffic file that somebody wrote by request.
pub(crate) struct TrafficEdit {
    /// What is there now.
    pub(crate) found: FoundTraffic,
    /// A moment after it was there.
    pub(crate) at: Instant,
    /// Who did it.
    pub(crate) who: Actor,
}

impl Manager {
    /// Traffic applies at once, whatever is being loaded: a way back must not wait.
    pub(super) fn follow_traffic(&mut self, name: &Arc<str>, found: Option<FoundTraffic>, who: Actor) {
        let entry = self.state.entries.entry(name.clone()).or_default();
        let followed = entry.signposts.follow(name, found, &entry.serving, &mut self.rollouts);
        let Some(change) = followed else { return };
        match &change.what {
            What::TrafficRefused { reason } => {
                error!(model = %name, error = %reason, "the traffic file is refused; the one before applies")
            }
            _ => info!(model = %name, "new traffic applies"),
        }
        entry.changes.push((who, change));
    }

    /// An edit applies in every mode, and brings the versions that it speaks of.
    pub(super) fn edit_traffic(&mut self, name: &Arc<str>, edit: TrafficEdit, done: Done) {
        if self.state.shutdown.is_some() {
            return self.state.answers.push((done, Err(shutting_down())));
        }
        let TrafficEdit { found, at, who } = edit;
        let known = self.state.known.get_mut(&**name);
        let update = known.map(|known| {
            known.traffic = Some(found.clone());
            known.clone()
        });
        self.follow_traffic(name, Some(found), who.clone());
        let entry = self.entry(name);
        entry.edited = Some(at);
        let lacking = entry.signposts.versions().iter().any(|number| !entry.serving.contains_key(number));
        match update {
            Some(update) => self.enqueue(name, Task::Update(update, who)),
            None if lacking && !entry.serving.is_empty() => self.enqueue(name, Task::Look(who)),
            None => {}
        }
        self.state.answers.push((done, Ok(())));
    }

    /// Leaves the traffic of models that were edited since a scan began as it is.
    pub(super) fn keep_edits(&self, began: Instant, listing: &mut Listing) {
        for (name, entry) in self.state.entries.iter().filter(|(_, entry)| entry.was_edited_after(began)) {
            if let Some(model) = listing.models.get_mut(&**name) {
                model.traffic = entry.signposts.found().cloned();
            }
        }
    }
}
