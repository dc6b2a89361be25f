//! Where one model stands: what serves, what was tried, what is wrong, and what is still to do.
//!
//! Invariant: at most one job runs for a model; everything else waits in `queue`, in order.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Weak},
    time::Instant,
};

use girandole_core::{
    Error, ErrorCode, Result,
    audit::{Actor, Change, What},
};
use tokio::sync::oneshot;

use super::{
    job::Updated,
    patience::Running,
    plan::{self, Attempt, Present},
    signposts::Signposts,
};
use crate::{
    repository::FoundModel,
    service::VersionState,
    snapshot::{ServedModel, ServedVersion, VersionStatus},
};

/// Who waits for something to be done.
pub(crate) type Done = oneshot::Sender<Result<()>>;

/// What is to be done about a model.
pub(super) enum Task {
    /// Look at what a scan found, or somebody made of it.
    Update(FoundModel, Actor),
    /// Look for versions that are needed now.
    Look(Actor),
    /// Look for the last good version, where all that serve keep failing.
    BringBack,
    /// Load it anew because somebody asked, with this configuration in place of the file's.
    Load(Option<String>, Option<Done>),
    /// Take every version away because somebody asked.
    Unload(Done),
    /// Take every version away because its directory is gone.
    Remove,
}

impl Task {
    /// Who is behind it.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Update(_, who) | Self::Look(who) => who.clone(),
            Self::BringBack | Self::Load(_, None) => Actor::Server,
            Self::Load(_, Some(_)) | Self::Unload(_) => Actor::Client,
            Self::Remove => Actor::Repository,
        }
    }
}

/// One model.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) serving: BTreeMap<u64, Arc<ServedVersion>>,
    pub(super) tried: BTreeMap<u64, Attempt>,
    /// Those that were told of as out of the traffic.
    pub(super) told_tripped: BTreeSet<u64>,
    /// Its files as they were when they were last looked at.
    pub(super) found: Option<FoundModel>,
    /// The configuration that a caller gave with its last load.
    pub(super) config: Option<String>,
    pub(super) running: Option<Running>,
    pub(super) queue: VecDeque<Task>,
    /// Where requests go.
    pub(super) signposts: Signposts,
    /// When its traffic was last written by request.
    pub(super) edited: Option<Instant>,
    /// Who is behind what is being done.
    pub(super) actor: Actor,
    /// What changed and nobody was told of yet.
    pub(super) changes: Vec<(Actor, Change)>,
    states: BTreeMap<u64, VersionStatus>,
    problem: Option<String>,
    retired: Vec<(u64, Weak<ServedVersion>)>,
}

impl Entry {
    /// Whether there is nothing to know about it beyond its name.
    pub(super) fn is_blank(&self) -> bool {
        let idle = self.running.is_none() && self.queue.is_empty() && self.serving.is_empty();
        idle && self.retired.is_empty() && self.problem.is_none()
    }

    /// Whether whoever looked at this moment may have missed what was written by request.
    pub(super) fn was_edited_after(&self, moment: Instant) -> bool {
        self.edited.is_some_and(|edited| edited >= moment)
    }

    /// Queues a task; a later scan takes the place of an earlier one that nobody looked at yet.
    pub(super) fn enqueue(&mut self, task: Task) {
        if matches!(task, Task::Update(..)) {
            self.queue.retain(|queued| !matches!(queued, Task::Update(..)));
        }
        self.queue.push_back(task);
    }

    /// What serves, and how.
    pub(super) fn present(&self) -> Present {
        Present { serving: self.serving.keys().copied().collect(), tripped: self.tripped() }
    }

    /// These versions are being loaded; those that serve go on serving.
    pub(super) fn loading(&mut self, versions: &[u64]) {
        let reason = self.running.map_or("", Running::reason);
        for number in versions.iter().filter(|number| !self.serving.contains_key(number)) {
            self.states.insert(*number, status(VersionState::Loading, reason));
        }
    }

    /// The versions that are being loaded say why it takes so long.
    pub(super) fn loads_slowly(&mut self, reason: &str) {
        let loading = self.states.values_mut().filter(|status| status.state == VersionState::Loading);
        loading.for_each(|status| status.reason = reason.to_owned());
    }

    /// Takes over what a job came to: new versions in, superseded ones out, failures noted.
    ///
    /// # Errors
    /// The first failure, which changed nothing about what serves.
    pub(super) fn apply(&mut self, outcome: Result<Updated>) -> Result<()> {
        let updated = outcome.inspect_err(|error| self.failed(error))?;
        self.problem = None;
        let mut first_failure = Ok(());
        for (number, attempt, outcome) in updated.versions {
            self.tried.insert(number, attempt);
            if let Err(error) = self.apply_version(number, outcome) {
                first_failure = first_failure.and(Err(error.context(format!("version {number}"))));
            }
        }
        let on_disk: BTreeSet<u64> = updated.found.versions.keys().copied().collect();
        let present = self.present();
        self.signposts.bind(&self.serving);
        let wanted = plan::wanted(&updated.policy, &self.signposts.versions(), &updated.found, &present);
        for number in plan::to_withdraw(&wanted, &present.serving, &on_disk) {
            self.withdraw(number, "another version serves");
        }
        self.signposts.bind(&self.serving);
        self.states
            .retain(|number, status| on_disk.contains(number) || status.state != VersionState::Unavailable);
        self.tried.retain(|number, _| on_disk.contains(number));
        self.found = Some(updated.found);
        first_failure
    }

    fn apply_version(&mut self, number: u64, outcome: Result<Arc<ServedVersion>>) -> Result<()> {
        self.note_version(number, &outcome);
        match outcome {
            Ok(version) => {
                self.retire(number);
                self.serving.insert(number, version);
                self.states.insert(number, status(VersionState::Ready, ""));
                Ok(())
            }
            Err(error) if self.serving.contains_key(&number) => {
                let reason = format!("serves what was there before; its newest files failed: {error}");
                self.states.insert(number, status(VersionState::Ready, &reason));
                Err(error)
            }
            Err(error) => {
                self.states.insert(number, status(VersionState::Unavailable, error.message()));
                Err(error)
            }
        }
    }

    /// The model as a whole is wrong; what serves goes on.
    fn failed(&mut self, error: &Error) {
        // A name that nobody has is no model's.
        if error.code() != ErrorCode::NotFound {
            self.note(Change::new(What::VersionFailed { reason: error.message().to_owned() }));
        }
        self.problem = Some(error.message().to_owned());
        for status in self.states.values_mut().filter(|status| status.state == VersionState::Loading) {
            *status = self::status(VersionState::Unavailable, error.message());
        }
    }

    /// Takes every version away.
    pub(super) fn withdraw_all(&mut self, reason: &str) {
        let numbers: Vec<u64> = self.serving.keys().copied().collect();
        for number in numbers {
            self.withdraw(number, reason);
        }
        self.problem = None;
        self.tried.clear();
        self.config = None;
        self.found = None;
        self.signposts.bind(&self.serving);
    }

    fn withdraw(&mut self, number: u64, reason: &str) {
        let before = self.digest(number);
        let what = What::VersionUnloaded { reason: reason.to_owned() };
        self.note(Change::new(what).versions([number]).digests(before.as_deref(), None));
        self.tried.remove(&number);
        self.retire(number);
        self.states.insert(number, status(VersionState::Unloading, reason));
    }

    fn note_version(&mut self, number: u64, outcome: &Result<Arc<ServedVersion>>) {
        let before = self.digest(number);
        let (what, after) = match outcome {
            Ok(version) => (What::VersionLoaded, version.digest.clone()),
            Err(error) => (What::VersionFailed { reason: error.message().to_owned() }, before.clone()),
        };
        self.note(Change::new(what).versions([number]).digests(before.as_deref(), after.as_deref()));
    }

    fn note(&mut self, change: Change) {
        self.changes.push((self.actor.clone(), change));
    }

    pub(super) fn digest(&self, number: u64) -> Option<Arc<str>> {
        self.serving.get(&number)?.digest.clone()
    }

    fn retire(&mut self, number: u64) {
        self.told_tripped.remove(&number);
        if let Some(version) = self.serving.remove(&number) {
            self.retired.push((number, Arc::downgrade(&version)));
        }
    }

    /// The sessions of a version that served, or would have, are closed.
    pub(super) fn closed(&mut self, number: u64) {
        self.retired.retain(|(_, version)| version.strong_count() > 0);
        let all_closed = !self.retired.iter().any(|(retired, _)| *retired == number);
        match self.states.get_mut(&number) {
            Some(status) if all_closed && status.state == VersionState::Unloading => {
                *status = self::status(VersionState::Unavailable, &format!("unloaded: {}", status.reason));
            }
            _ => {}
        }
    }

    /// The model as requests see it.
    pub(super) fn served(&self, name: &Arc<str>) -> Arc<ServedModel> {
        Arc::new(ServedModel {
            name: name.clone(),
            versions: self.serving.clone(),
            states: self.states.clone(),
            problem: self.problem.clone(),
            routes: self.signposts.routes(),
        })
    }
}

fn status(state: VersionState, reason: &str) -> VersionStatus {
    VersionStatus { state, reason: reason.to_owned() }
}
