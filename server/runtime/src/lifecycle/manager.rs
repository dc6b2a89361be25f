//! The one thread that decides which versions serve, and the only one that stores a snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use girandole_core::{Error, Result, audit::Actor};
use tracing::{error, info, warn};

use super::{
    ControlMode,
    entry::{Done, Entry, Task},
    job::{Update, Updated, Workshop},
    patience::Running,
    pool::{LoadPriority, Pool},
    rollouts::Rollouts,
    traffic::TrafficEdit,
};
use crate::{
    repository::{Change, FoundModel, Listing, changes},
    rollout::Command,
    service::Shared,
    snapshot::Snapshot,
};

/// What the manager acts on.
pub(crate) enum Event {
    /// The repositories were looked at, from this moment on.
    Scanned(Instant, Result<Listing>),
    /// A job is about to load these versions.
    Loading(Arc<str>, Vec<u64>),
    /// A job is done.
    Updated(Arc<str>, Result<Updated>, Option<Done>),
    /// The sessions of a version are closed.
    Closed(Arc<str>, u64),
    /// The breaker of a version opened or closed.
    Turned(Arc<str>, u64),
    /// Somebody asks to load a model, with a configuration in place of the file's.
    Load(String, Option<String>, Done),
    /// Somebody asks to unload a model.
    Unload(String, Done),
    /// Somebody wrote a model's traffic file, and it is to apply now.
    Traffic(String, TrafficEdit, Done),
    /// Somebody acts on a model's rollout.
    Rollout(String, Command, Actor, Done),
    /// Let everything finish and close.
    Shutdown(Done),
}

pub(super) struct Manager {
    pub(super) shared: Arc<Shared>,
    pub(super) workshop: Arc<Workshop>,
    pub(super) pool: Pool,
    pub(super) events: Sender<Event>,
    pub(super) rollouts: Rollouts,
    pub(super) mode: ControlMode,
    /// How loads stand against requests.
    pub(super) load_priority: LoadPriority,
    /// How long a load may take before it is complained of.
    pub(super) patience: Duration,
    /// Versions whose sessions are open, published or not.
    pub(super) open: Arc<AtomicUsize>,
    pub(super) state: State,
}

/// What the manager remembers.
#[derive(Default)]
pub(super) struct State {
    pub(super) entries: BTreeMap<Arc<str>, Entry>,
    /// What was last acted on, by model.
    pub(super) known: BTreeMap<String, FoundModel>,
    /// The models that must serve for the server to be ready; `None` before the first scan.
    initial: Option<BTreeSet<Arc<str>>>,
    /// Why the repositories cannot be read, where they cannot.
    unreachable: Option<Arc<str>>,
    pub(super) shutdown: Option<Done>,
    /// Answers that go out once what they tell of is published.
    pub(super) answers: Vec<(Done, Result<()>)>,
}

impl Manager {
    /// Acts on events until a shutdown is complete.
    pub(super) fn run(mut self, events: &Receiver<Event>) {
        loop {
            match self.wait(events) {
                Ok(event) => self.act(event),
                Err(RecvTimeoutError::Timeout) if self.look() | self.complain() => {}
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.publish();
            if self.state.shutdown.is_some() && self.is_quiet() {
                break;
            }
        }
        if let Some(done) = self.state.shutdown.take() {
            let _ = done.send(Ok(()));
        }
    }

    fn act(&mut self, event: Event) {
        match event {
            Event::Scanned(began, Ok(listing)) => self.scanned(began, listing),
            Event::Scanned(_, Err(error)) => self.unreachable(&error),
            Event::Loading(model, versions) => self.entry(&model).loading(&versions),
            Event::Updated(model, outcome, done) => self.updated(&model, outcome, done),
            Event::Closed(model, version) => {
                if let Some(entry) = self.state.entries.get_mut(&model) {
                    entry.closed(version);
                }
            }
            Event::Turned(model, version) => self.look_at_breaker(&model, version),
            Event::Load(model, config, done) => self.enqueue(&model.into(), Task::Load(config, Some(done))),
            Event::Unload(model, done) => self.unload(&model, done),
            Event::Traffic(model, edit, done) => self.edit_traffic(&model.into(), edit, done),
            Event::Rollout(model, asked, who, done) => self.control_rollout(&model.into(), asked, who, done),
            Event::Shutdown(done) => self.shutdown(done),
        }
    }

    pub(super) fn entry(&mut self, name: &Arc<str>) -> &mut Entry {
        self.state.entries.entry(name.clone()).or_default()
    }

    fn unreachable(&mut self, error: &Error) {
        if self.state.unreachable.replace(error.message().into()).is_none() {
            warn!(%error, "keeping what serves until the model repository can be read again");
        }
    }

    fn scanned(&mut self, began: Instant, mut listing: Listing) {
        if self.state.shutdown.is_some() {
            return;
        }
        if self.state.unreachable.take().is_some() {
            info!("the model repository can be read again");
        }
        for name in listing.models.keys() {
            self.entry(&Arc::from(name.as_str()));
        }
        self.state.entries.retain(|name, entry| listing.models.contains_key(&**name) || !entry.is_blank());
        self.keep_edits(began, &mut listing);
        let first = self.state.initial.is_none();
        match self.mode.clone() {
            ControlMode::Explicit { load_models } if first => self.load_initial(&listing, &load_models),
            ControlMode::Explicit { .. } => {}
            ControlMode::None | ControlMode::Poll => self.follow(listing),
        }
    }

    fn load_initial(&mut self, listing: &Listing, load_models: &[String]) {
        let all = load_models.iter().any(|name| name == "*");
        let names: BTreeSet<Arc<str>> = match all {
            true => listing.models.keys().map(|name| Arc::from(name.as_str())).collect(),
            false => load_models.iter().map(|name| Arc::from(name.as_str())).collect(),
        };
        self.state.initial = Some(names.clone());
        for name in &names {
            self.enqueue(name, Task::Load(None, None));
        }
    }

    /// Acts on every difference between the repositories and what was last acted on.
    fn follow(&mut self, mut listing: Listing) {
        let names = || listing.models.keys().map(|name| Arc::from(name.as_str())).collect();
        self.state.initial.get_or_insert_with(names);
        for change in changes(&listing, &self.state.known) {
            match change {
                Change::Remove(name) => {
                    self.state.known.remove(&name);
                    self.no_longer_expected(&name);
                    self.enqueue(&name.into(), Task::Remove);
                }
                Change::Update(name) => {
                    let Some(found) = listing.models.remove(&name) else { continue };
                    let acted_on = found.acted_on(self.state.known.get(&name));
                    let name: Arc<str> = name.into();
                    self.follow_traffic(&name, acted_on.traffic.clone(), Actor::Repository);
                    self.state.known.insert(name.to_string(), acted_on);
                    self.enqueue(&name, Task::Update(found, Actor::Repository));
                }
            }
        }
    }

    /// A model that its owner takes away is not missed by the server's readiness.
    fn no_longer_expected(&mut self, name: &str) {
        if let Some(initial) = &mut self.state.initial {
            initial.remove(name);
        }
    }

    fn unload(&mut self, name: &str, done: Done) {
        if !self.state.entries.contains_key(name) {
            let unknown = Err(Error::not_found(format!("unknown model '{name}'")));
            return self.state.answers.push((done, unknown));
        }
        self.no_longer_expected(name);
        self.enqueue(&name.into(), Task::Unload(done));
    }

    pub(super) fn enqueue(&mut self, name: &Arc<str>, task: Task) {
        if self.state.shutdown.is_some() {
            return self.refuse(task);
        }
        self.entry(name).enqueue(task);
        self.advance(name);
    }

    fn refuse(&mut self, task: Task) {
        if let Task::Load(_, Some(done)) | Task::Unload(done) = task {
            self.state.answers.push((done, Err(shutting_down())));
        }
    }

    /// Does what is next for a model, unless a job runs for it.
    fn advance(&mut self, name: &Arc<str>) {
        while let Some(task) = self.next_task(name) {
            self.entry(name).actor = task.actor();
            match task {
                Task::Update(found, _) => self.start(name, Some(found), false, None),
                Task::Look(_) => self.start(name, None, false, None),
                Task::BringBack => self.bring_back(name),
                Task::Load(config, done) => {
                    self.entry(name).config = config;
                    self.start(name, None, true, done);
                }
                Task::Unload(done) => {
                    self.entry(name).withdraw_all("a caller unloaded it");
                    self.state.answers.push((done, Ok(())));
                }
                Task::Remove => {
                    self.entry(name).withdraw_all("it is in no model repository any more");
                    self.follow_traffic(name, None, Actor::Repository);
                }
            }
        }
    }

    fn next_task(&mut self, name: &Arc<str>) -> Option<Task> {
        self.state.entries.get_mut(name).filter(|entry| entry.running.is_none())?.queue.pop_front()
    }

    pub(super) fn start(
        &mut self,
        name: &Arc<str>,
        found: Option<FoundModel>,
        force: bool,
        done: Option<Done>,
    ) {
        let running = Running::Until(self.rollouts.clock.now() + self.patience);
        let entry = self.entry(name);
        entry.running = Some(running);
        let update = Update {
            name: name.clone(),
            found,
            present: entry.present(),
            traffic: entry.signposts.versions(),
            tried: entry.tried.clone(),
            config: entry.config.clone(),
            force,
        };
        let (workshop, events, name) = (self.workshop.clone(), self.events.clone(), name.clone());
        let shared = self.shared.clone();
        self.pool.run(move || {
            // The manager waits for every job before it ends.
            let loading = |versions| drop(events.send(Event::Loading(name.clone(), versions)));
            let outcome = match shared.shutting_down.load(Ordering::Acquire) {
                true => Err(shutting_down()),
                false => workshop.update(update, loading),
            };
            let _ = events.send(Event::Updated(name.clone(), outcome, done));
        });
    }

    fn updated(&mut self, name: &Arc<str>, outcome: Result<Updated>, done: Option<Done>) {
        let shutting_down = self.state.shutdown.is_some();
        // Where the repository is followed, scans bring the traffic, and newer ones than the job's may have come.
        if let (Ok(updated), ControlMode::Explicit { .. }) = (&outcome, &self.mode)
            && !self.entry(name).was_edited_after(updated.began)
        {
            let who = self.entry(name).actor.clone();
            self.follow_traffic(name, updated.found.traffic.clone(), who);
        }
        let entry = self.entry(name);
        entry.running = None;
        let outcome = match shutting_down {
            true => Err(self::shutting_down()),
            false => entry.apply(outcome),
        };
        let versions: Vec<_> = entry.serving.keys().copied().collect();
        match &outcome {
            Ok(()) => info!(model = %name, ?versions, "model serves"),
            Err(error) => error!(model = %name, %error, ?versions, "model failed to load"),
        }
        self.forget_unknown(name, &outcome);
        if let Some(done) = done {
            let outcome = outcome.map_err(|error| error.context(format!("failed to load '{name}'")));
            self.state.answers.push((done, outcome));
        }
        self.advance(name);
    }

    /// What a caller asked for and nobody has leaves no trace.
    fn forget_unknown(&mut self, name: &Arc<str>, outcome: &Result<()>) {
        let unknown =
            outcome.as_ref().is_err_and(|error| error.code() == girandole_core::ErrorCode::NotFound);
        let expected = self.state.initial.as_ref().is_some_and(|initial| initial.contains(name));
        let idle = |entry: &Entry| entry.serving.is_empty() && entry.queue.is_empty();
        if unknown && !expected && self.state.entries.get(name).is_some_and(idle) {
            self.state.entries.remove(name);
        }
    }

    fn shutdown(&mut self, done: Done) {
        self.state.shutdown = Some(done);
        let mut waiting = Vec::new();
        for entry in self.state.entries.values_mut() {
            waiting.extend(entry.queue.drain(..));
            entry.actor = Actor::Server;
            entry.withdraw_all("the server is shutting down");
        }
        waiting.into_iter().for_each(|task| self.refuse(task));
    }

    /// No job runs and no session is open.
    fn is_quiet(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
            && !self.state.entries.values().any(|entry| entry.running.is_some())
    }

    /// Tells the witness what changed, so that nobody sees a change before it does.
    fn tell_witness(&mut self) {
        for (name, entry) in &mut self.state.entries {
            for (who, change) in entry.changes.drain(..) {
                self.shared.witness.record(&who, change.of(name));
            }
        }
    }

    /// Stores the next snapshot, then tells everybody who waits for what it shows.
    fn publish(&mut self) {
        self.tell_witness();
        let entries = &self.state.entries;
        let serves = |name: &Arc<str>| entries.get(name).is_some_and(|entry| !entry.serving.is_empty());
        let snapshot = Snapshot {
            models: entries.iter().map(|(name, entry)| (name.clone(), entry.served(name))).collect(),
            ready: self.state.initial.as_ref().is_some_and(|initial| initial.iter().all(serves)),
            idle: self.state.initial.is_some() && !entries.values().any(|entry| entry.running.is_some()),
            unreachable: self.state.unreachable.clone(),
        };
        self.shared.snapshot.store(Arc::new(snapshot));
        self.shared.published.send_modify(|count| *count += 1);
        for (done, outcome) in self.state.answers.drain(..) {
            // Who asked may have gone.
            let _ = done.send(outcome);
        }
    }
}

pub(super) fn shutting_down() -> Error {
    Error::unavailable("the server is shutting down")
}
