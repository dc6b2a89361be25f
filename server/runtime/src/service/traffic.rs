//! A model's traffic for its operator: what applies and how its arms do, and setting their weights.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use girandole_core::{
    Error, Result,
    audit::{Actor, Change, What},
};

use super::{BreakerStatus, Service};
use crate::{
    lifecycle::{Event, TrafficEdit},
    rollout::RolloutStatus,
    routing::Routes,
    snapshot::{ServedModel, unknown_model},
    traffic::{Arm, Expected, FoundTraffic, Origin},
};

/// A model's traffic as of now.
#[derive(Clone, Debug)]
pub struct TrafficStatus {
    /// What applies.
    pub routes: Arc<Routes>,
    /// Where the newest file is, applied or not; `None` where there is none.
    pub origin: Option<Origin>,
    /// SHA-256 of the newest file's text.
    pub digest: Option<Arc<str>>,
    /// The split's arms.
    pub arms: Vec<ArmStatus>,
    /// What shifts their weights by itself.
    pub rollout: Option<RolloutStatus>,
    /// The circuit breakers of the versions that serve.
    pub breakers: Vec<BreakerStatus>,
}

/// How an arm does. The counts are its version's, requests that name the version included.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmStatus {
    /// The label or version.
    pub name: Arc<str>,
    /// As the file has it.
    pub weight: f64,
    /// Its weight out of all arms', 0 to 1.
    pub share: f64,
    /// The version that it leads to, where it serves.
    pub version: Option<u64>,
    /// Requests answered or refused since the version was loaded.
    pub requests: u64,
    /// Those of them that got no result.
    pub errors: u64,
    /// Half of the last minute's requests took no longer; `None` where there were none.
    pub p50: Option<Duration>,
    /// 99 of 100 took no longer.
    pub p99: Option<Duration>,
}

/// New weights for a split.
#[derive(Clone, Debug)]
pub struct SetWeights {
    /// The arms, all of them.
    pub weights: BTreeMap<String, f64>,
    /// The file that they are to change.
    pub expected: Expected,
    /// Who sets them.
    pub who: Actor,
}

impl Service {
    /// A model's traffic, and how its arms do.
    ///
    /// # Errors
    /// `NotFound` for an unknown model.
    pub async fn traffic_status(&self, model: &str) -> Result<TrafficStatus> {
        let found = self.stored_traffic(model).await?;
        let snapshot = self.0.snapshot.load();
        let served = snapshot.models.get(model).ok_or_else(|| unknown_model(model))?;
        Ok(TrafficStatus {
            routes: served.routes.clone(),
            origin: found.as_ref().map(|found| found.origin),
            digest: found.as_ref().and_then(FoundTraffic::digest),
            arms: arms(served),
            rollout: self.rollout_status(model)?,
            breakers: self.breakers(model)?,
        })
    }

    /// Sets the weights of a model's split in its traffic file, and returns once they apply.
    ///
    /// # Errors
    /// `NotFound` for an unknown model, `FailedPrecondition` where the file is another than expected,
    /// `InvalidArgument` for weights that the file cannot have, `PermissionDenied` or `Unavailable` where it cannot be
    /// written. Then nothing has changed.
    pub async fn set_weights(&self, model: &str, set: SetWeights) -> Result<()> {
        self.routes(model)?;
        let (shared, name) = (self.0.clone(), model.to_owned());
        let (expected, weights) = (set.expected, set.weights.clone());
        let write = move || shared.traffic.set_weights(&name, &expected, &weights);
        let (before, after) = blocking(write).await?;
        let digests = [before.and_then(|before| before.digest()), after.digest()];
        let change = Change::new(What::WeightsSet { weights: set.weights }).of(model);
        self.0.witness.record(&set.who, change.digests(digests[0].as_deref(), digests[1].as_deref()));
        let edit = TrafficEdit { found: after, at: Instant::now(), who: set.who };
        self.ask(|done| Event::Traffic(model.to_owned(), edit, done)).await
    }

    async fn stored_traffic(&self, model: &str) -> Result<Option<FoundTraffic>> {
        self.routes(model)?;
        let (shared, name) = (self.0.clone(), model.to_owned());
        Ok(blocking(move || shared.traffic.read(&name)).await?.found)
    }
}

/// Files are read and written away from the threads that answer requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::internal("the traffic file could not be handled")))
}

fn arms(model: &ServedModel) -> Vec<ArmStatus> {
    let arms = model.routes.traffic.split.as_ref().map_or(&[][..], |split| split.arms());
    let total: f64 = arms.iter().map(|arm| arm.weight).sum();
    arms.iter().map(|arm| status(model, arm, total)).collect()
}

fn status(model: &ServedModel, arm: &Arm, total: f64) -> ArmStatus {
    let serving = model.routes.version(&arm.target).and_then(|number| model.versions.get(&number));
    let statistics = serving.map(|version| version.serving.statistics()).unwrap_or_default();
    let (success, fail) = (statistics.inference.success.count, statistics.inference.fail.count);
    ArmStatus {
        name: arm.name.clone(),
        weight: arm.weight,
        share: arm.weight / total,
        version: serving.map(|version| version.version),
        requests: success + fail,
        errors: fail,
        p50: statistics.recent.p50,
        p99: statistics.recent.p99,
    }
}
