//! Where a model's requests go now: its labels, rules, split, rollout and circuit breakers.

mod breaker;
mod rollout;

use std::collections::BTreeMap;

use axum::extract::State;
use girandole_runtime::{
    rollout::RolloutStatus,
    routing::Routes,
    service::BreakerStatus,
    traffic::{Arm, Binding, Rule, Shadow},
};
use serde::Serialize;

use super::{Answer, path::ModelPath};
use crate::oip::Oip;

/// What applies, as JSON.
#[derive(Serialize)]
pub(crate) struct Traffic<'a> {
    labels: BTreeMap<&'a str, Label>,
    rules: Vec<RuleLine<'a>>,
    split: Option<Split<'a>>,
    shadow: Option<ShadowLine>,
    rollout: Option<rollout::Rollout>,
    circuit_breakers: BTreeMap<u64, breaker::Breaker>,
    refused: Option<&'a str>,
}

#[derive(Serialize)]
struct Label {
    version: Option<u64>,
    wanted: u64,
    pending: bool,
}

#[derive(Serialize)]
struct RuleLine<'a> {
    name: &'a str,
    source: String,
    to: String,
    version: Option<u64>,
}

#[derive(Serialize)]
struct Split<'a> {
    arms: Vec<ArmLine<'a>>,
    sticky: Vec<String>,
}

#[derive(Serialize)]
struct ArmLine<'a> {
    name: &'a str,
    weight: f64,
    version: Option<u64>,
}

#[derive(Serialize)]
struct ShadowLine {
    to: String,
    version: Option<u64>,
    percent: f64,
    tolerance: f64,
}

/// The traffic that applies.
pub(super) async fn model(State(oip): State<Oip>, path: ModelPath) -> Answer {
    let (routes, rollout) = (oip.service.routes(&path.name)?, oip.service.rollout_status(&path.name)?);
    super::json(&traffic(&routes, rollout, oip.service.breakers(&path.name)?))
}

/// The traffic that routes follow.
pub(crate) fn traffic(
    routes: &Routes,
    rollout: Option<RolloutStatus>,
    breakers: Vec<BreakerStatus>,
) -> Traffic<'_> {
    let traffic = &routes.traffic;
    Traffic {
        labels: routes.labels.iter().map(|(name, binding)| (name.as_str(), label(binding))).collect(),
        rules: traffic.rules.iter().map(|one| rule(routes, one)).collect(),
        split: traffic.split.as_ref().map(|split| Split {
            arms: split.arms().iter().map(|one| arm(routes, one)).collect(),
            sticky: split.sticky.iter().map(ToString::to_string).collect(),
        }),
        shadow: traffic.shadow.as_ref().map(|one| shadow(routes, one)),
        rollout: rollout.map(Into::into),
        circuit_breakers: breakers.into_iter().map(|status| (status.version, status.into())).collect(),
        refused: routes.refused.as_deref(),
    }
}

fn label(binding: &Binding) -> Label {
    Label { version: binding.bound, wanted: binding.wanted, pending: binding.is_pending() }
}

fn rule<'a>(routes: &Routes, rule: &'a Rule) -> RuleLine<'a> {
    RuleLine {
        name: &rule.name,
        source: rule.source.to_string(),
        to: rule.to.to_string(),
        version: routes.version(&rule.to),
    }
}

fn shadow(routes: &Routes, shadow: &Shadow) -> ShadowLine {
    ShadowLine {
        to: shadow.to.to_string(),
        version: routes.version(&shadow.to),
        percent: shadow.percent,
        tolerance: shadow.tolerance,
    }
}

fn arm<'a>(routes: &Routes, arm: &'a Arm) -> ArmLine<'a> {
    ArmLine { name: &arm.name, weight: arm.weight, version: routes.version(&arm.target) }
}
