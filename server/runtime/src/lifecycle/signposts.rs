//! A model's traffic over time: the newest file that can be honoured, where its labels point as versions come and go,
//! and how far its rollout is.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Duration,
};

use girandole_core::{
    Error, Result,
    audit::{Change, What},
};

use super::rollouts::Rollouts;
use crate::{
    rollout::{Command, Rollout, RolloutMetrics},
    routing::Routes,
    shadow::ShadowMetrics,
    snapshot::ServedVersion,
    traffic::{Binding, Bindings, FoundTraffic, LastGood, Traffic, TrafficMetrics, bind},
};

/// The versions that serve.
type Serving = BTreeMap<u64, Arc<ServedVersion>>;

/// What a model's requests follow.
#[derive(Default)]
pub(super) struct Signposts {
    found: Option<FoundTraffic>,
    /// Whether it was asked for yet to follow anything, or nothing.
    begun: bool,
    /// What the file says; a rollout changes weights of it.
    written: Arc<Traffic>,
    routes: Arc<Routes>,
    /// Where its labels pointed last, also before a restart.
    last_good: LastGood,
    /// When the rollout is to be looked at.
    due: Option<Duration>,
}

impl Signposts {
    /// Follows a traffic file from now on, or none. One that cannot be honoured changes nothing: what applied before
    /// goes on, also where that was before a restart. Answers with what happened, where it is another than before.
    pub(super) fn follow(
        &mut self,
        model: &Arc<str>,
        found: Option<FoundTraffic>,
        serving: &Serving,
        rollouts: &mut Rollouts,
    ) -> Option<Change> {
        let first = !mem::replace(&mut self.begun, true);
        if first {
            self.last_good = rollouts.last_good(model);
        }
        if found == self.found {
            if first {
                rollouts.applied.remember(model, None);
                self.last_good.remember(&Bindings::new());
            }
            return None;
        }
        let parsed = found.as_ref().map(|found| found.parse(model)).transpose();
        let left = (first && parsed.is_err()).then(|| rollouts.applied.last(model)).flatten();
        let before =
            left.as_ref().map_or_else(|| self.routes.digest.clone(), |(_, digest)| Some(digest.clone()));
        let newest = found.as_ref().and_then(FoundTraffic::digest);
        let refused = parsed.as_ref().err().map(|error| error.message().to_owned());
        let digest = if refused.is_some() { before.clone() } else { newest.clone() };
        if let Ok(traffic) = parsed {
            let text = found.as_ref().and_then(|found| found.text.as_deref().ok());
            rollouts.applied.remember(model, text);
            self.written = Arc::new(traffic.unwrap_or_default());
        } else if let Some((traffic, _)) = left {
            self.written = Arc::new(traffic);
        }
        self.found = found;
        let rollout = rollouts.follow(model, &self.written, self.routes.rollout.as_ref());
        let labels = self.bindings(serving);
        self.schedule(rollout.as_ref(), rollouts);
        let what = match refused.clone() {
            Some(reason) => What::TrafficRefused { reason },
            None => What::TrafficApplied,
        };
        self.show(model, Routes { labels, digest, refused, rollout, ..(*self.routes).clone() });
        let change = Change::new(what).versions(self.written.versions());
        Some(change.digests(before.as_deref(), newest.as_deref()))
    }

    /// Looks where the labels point now that other versions serve.
    pub(super) fn bind(&mut self, serving: &Serving) {
        let labels = self.bindings(serving);
        if labels != self.routes.labels {
            let model = self.routes.metrics.model();
            self.show(&model, Routes { labels, ..(*self.routes).clone() });
        }
    }

    /// The newest file, honoured or not.
    pub(super) fn found(&self) -> Option<&FoundTraffic> {
        self.found.as_ref()
    }

    /// When the rollout is to be looked at, since the Unix epoch.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Looks at the rollout where its time has come. Answers with what happened, where it moved.
    pub(super) fn look(
        &mut self,
        model: &Arc<str>,
        serving: &Serving,
        rollouts: &mut Rollouts,
    ) -> Option<Change> {
        let now = rollouts.clock.now();
        self.due.filter(|due| *due <= now)?;
        let routes = self.routes.clone();
        let before = routes.rollout.as_ref()?;
        self.schedule(Some(before), rollouts);
        let after = before.look(|version| serving.contains_key(&version), now)?;
        let change = after.change(before, None);
        Some(self.roll(model, after, change, rollouts))
    }

    /// Does to the rollout what a person asks for. Answers with what happened.
    ///
    /// # Errors
    /// `NotFound` where there is none, `InvalidArgument` where that is not possible as it stands.
    pub(super) fn obey(
        &mut self,
        model: &Arc<str>,
        asked: Command,
        rollouts: &mut Rollouts,
    ) -> Result<Change> {
        let none =
            || Error::not_found("it has no rollout: its traffic.toml has no [rollout] between two versions");
        let before = self.routes.rollout.as_ref().ok_or_else(none)?;
        let after = before.obey(asked, rollouts.clock.now())?;
        let change = after.change(before, Some(asked));
        Ok(self.roll(model, after, change, rollouts))
    }

    /// The rollout stands elsewhere from now on.
    fn roll(
        &mut self,
        model: &Arc<str>,
        rollout: Rollout,
        change: Change,
        rollouts: &mut Rollouts,
    ) -> Change {
        rollouts.moved(model, &rollout);
        self.schedule(Some(&rollout), rollouts);
        self.show(model, Routes { rollout: Some(rollout), ..(*self.routes).clone() });
        let file = self.routes.digest.as_deref();
        change.digests(file, file)
    }

    fn schedule(&mut self, rollout: Option<&Rollout>, rollouts: &Rollouts) {
        self.due = rollout.and_then(Rollout::interval).map(|interval| rollouts.clock.now() + interval);
    }

    fn show(&mut self, model: &Arc<str>, mut routes: Routes) {
        self.last_good.remember(&routes.labels);
        routes.traffic = match &routes.rollout {
            Some(rollout) => Arc::new(self.written.with_weight(rollout.written(), rollout.weight())),
            None => self.written.clone(),
        };
        let before = (&*self.routes.traffic, &self.routes.labels);
        self.routes.metrics.hide(before, (&routes.traffic, &routes.labels));
        routes.metrics =
            TrafficMetrics::show(model, &routes.traffic, &routes.labels, routes.refused.is_some());
        if routes.rollout.is_some() || self.routes.rollout.is_some() {
            RolloutMetrics(model).show(routes.rollout.as_ref());
        }
        let shadow = routes.traffic.shadow.as_ref().and_then(|shadow| routes.version(&shadow.to));
        routes.shadow_metrics = shadow.map(|version| Arc::new(ShadowMetrics::new(model, version)));
        self.routes = Arc::new(routes);
    }

    /// The versions that the traffic speaks of, and those that pending labels still point to, or did.
    pub(super) fn versions(&self) -> BTreeSet<u64> {
        let last = self.routes.labels.iter().filter(|(_, binding)| binding.is_pending());
        let last = last.filter_map(|(label, binding)| binding.bound.or_else(|| self.last_good.of(label)));
        self.routes.traffic.versions().into_iter().chain(last).collect()
    }

    /// What requests follow now.
    pub(super) fn routes(&self) -> Arc<Routes> {
        self.routes.clone()
    }

    /// Where the labels point now.
    fn bindings(&self, serving: &Serving) -> Bindings {
        let last = |label: &String| {
            let bound = self.routes.labels.get(label).and_then(|binding| binding.bound);
            bound.or_else(|| self.last_good.of(label))
        };
        let labels = &self.written.labels;
        let before =
            labels.iter().map(|(label, &wanted)| (label.clone(), Binding { wanted, bound: last(label) }));
        bind(labels, &before.collect(), |number| serving.contains_key(&number))
    }
}
