//! Versions that are taken out of the traffic and come back, as the manager hears of it: it tells of that, and brings
//! the last good version back where no other one serves.
//!
//! Invariant: an event says no more than that a breaker is to be looked at. So one of a version that went says nothing
//! about the one in its place.

use std::{collections::BTreeSet, sync::Arc};

use girandole_core::audit::{Actor, Change, What};
use tracing::{info, warn};

use super::{
    entry::{Entry, Task},
    manager::Manager,
};
use crate::repository::FoundModel;

impl Manager {
    /// Looks at the breaker of a version.
    pub(super) fn look_at_breaker(&mut self, name: &Arc<str>, version: u64) {
        let Some(entry) = self.state.entries.get_mut(name) else { return };
        let Some(what) = entry.look_at_breaker(version) else { return };
        match &what {
            What::VersionTripped { reason } => {
                warn!(model = %name, version, %reason, "a version keeps failing");
            }
            _ => info!(model = %name, version, "a version is back in the traffic: its runs go well again"),
        }
        let digest = entry.digest(version);
        let change = Change::new(what).versions([version]).digests(digest.as_deref(), digest.as_deref());
        entry.changes.push((Actor::Server, change));
        if entry.lacks_a_good_version() {
            self.enqueue(name, Task::BringBack);
        }
    }

    /// Looks for the last good version, unless one serves by now.
    pub(super) fn bring_back(&mut self, name: &Arc<str>) {
        let entry = self.entry(name);
        if let Some(found) = entry.lacks_a_good_version().then(|| entry.as_last_found()).flatten() {
            self.start(name, Some(found), false, None);
        }
    }
}

impl Entry {
    /// What a version's breaker did since it was looked at.
    fn look_at_breaker(&mut self, version: u64) -> Option<What> {
        let trip = self.serving.get(&version)?.serving.breaker().trip();
        match trip {
            Some(trip) => {
                self.told_tripped.insert(version).then(|| What::VersionTripped { reason: trip.to_string() })
            }
            None => self.told_tripped.remove(&version).then_some(What::VersionRecovered),
        }
    }

    /// The versions that serve and are out of the traffic for their runs.
    pub(super) fn tripped(&self) -> BTreeSet<u64> {
        let tripped = self.serving.iter().filter(|(_, version)| version.serving.breaker().trip().is_some());
        tripped.map(|(&number, _)| number).collect()
    }

    /// Whether something serves, all of which is out.
    fn lacks_a_good_version(&self) -> bool {
        !self.serving.is_empty() && self.tripped().len() == self.serving.len()
    }

    /// Its files as they were when they were last looked at, so that nothing comes with them that nobody asked for,
    /// with the traffic that is followed now.
    fn as_last_found(&self) -> Option<FoundModel> {
        let found = self.found.clone()?;
        Some(FoundModel { traffic: self.signposts.found().cloned(), ..found })
    }
}
