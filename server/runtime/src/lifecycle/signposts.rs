//! A model's traffic over time: the newest file that can be honoured, and where its labels point as versions come
//! and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use girandole_core::audit::{Change, What};

use crate::{
    routing::Routes,
    shadow::ShadowMetrics,
    snapshot::ServedVersion,
    traffic::{Bindings, FoundTraffic, Traffic, TrafficMetrics, bind},
};

/// What a model's requests follow.
#[derive(Default)]
pub(super) struct Signposts {
    found: Option<FoundTraffic>,
    routes: Arc<Routes>,
}

impl Signposts {
    /// Follows a traffic file from now on, or none. One that cannot be honoured changes nothing. Answers with what
    /// happened, where it is another than before.
    pub(super) fn follow(
        &mut self,
        model: &Arc<str>,
        found: Option<FoundTraffic>,
        serving: &BTreeMap<u64, Arc<ServedVersion>>,
    ) -> Option<Change> {
        if found == self.found {
            return None;
        }
        let before = self.routes.digest.clone();
        let newest = found.as_ref().and_then(FoundTraffic::digest);
        let parsed = found.as_ref().map(|found| found.parse(model)).transpose();
        self.found = found;
        let traffic = parsed.as_ref().map_or_else(
            |_| self.routes.traffic.clone(),
            |traffic| Arc::new(traffic.clone().unwrap_or_default()),
        );
        let refused = parsed.as_ref().err().map(|error| error.message().to_owned());
        let digest = if refused.is_some() { before.clone() } else { newest.clone() };
        let labels = bindings(&traffic, &self.routes.labels, serving);
        let what = match refused.clone() {
            Some(reason) => What::TrafficRefused { reason },
            None => What::TrafficApplied,
        };
        let change = Change::new(what).of(model).versions(traffic.versions());
        self.show(model, Routes { traffic, labels, refused, digest, ..(*self.routes).clone() });
        Some(change.digests(before.as_deref(), newest.as_deref()))
    }

    /// Looks where the labels point now that other versions serve.
    pub(super) fn bind(&mut self, serving: &BTreeMap<u64, Arc<ServedVersion>>) {
        let labels = bindings(&self.routes.traffic, &self.routes.labels, serving);
        if labels != self.routes.labels {
            let model = self.routes.metrics.model();
            self.show(&model, Routes { labels, ..(*self.routes).clone() });
        }
    }

    fn show(&mut self, model: &Arc<str>, mut routes: Routes) {
        let before = (&*self.routes.traffic, &self.routes.labels);
        self.routes.metrics.hide(before, (&routes.traffic, &routes.labels));
        routes.metrics =
            TrafficMetrics::show(model, &routes.traffic, &routes.labels, routes.refused.is_some());
        let shadow = routes.traffic.shadow.as_ref().and_then(|shadow| routes.version(&shadow.to));
        routes.shadow_metrics = shadow.map(|version| Arc::new(ShadowMetrics::new(model, version)));
        self.routes = Arc::new(routes);
    }

    /// The versions that the traffic speaks of, and those that pending labels still point to.
    pub(super) fn versions(&self) -> BTreeSet<u64> {
        let bound = self.routes.labels.values().filter_map(|binding| binding.bound);
        self.routes.traffic.versions().into_iter().chain(bound).collect()
    }

    /// What requests follow now.
    pub(super) fn routes(&self) -> Arc<Routes> {
        self.routes.clone()
    }
}

fn bindings(traffic: &Traffic, before: &Bindings, serving: &BTreeMap<u64, Arc<ServedVersion>>) -> Bindings {
    bind(&traffic.labels, before, |number| serving.contains_key(&number))
}
