//! Which of a model's versions a request goes to: a pure choice over what serves.
//!
//! A caller that names a version or a label gets it. Else the first rule that takes the request and whose target
//! serves, else the split, else the newest version that serves.

mod fallback;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use girandole_core::{InferRequest, Route, RouteReason, VersionSelector};

use crate::{
    rollout::{Rollout, Watch},
    shadow::ShadowMetrics,
    traffic::{Arm, Binding, Bindings, Shadow, Split, Target, Traffic, TrafficMetrics},
};

/// A model's traffic and where its labels point as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// What the operator says.
    pub traffic: Arc<Traffic>,
    /// Where its labels point.
    pub labels: Bindings,
    /// SHA-256 of the traffic file that applies.
    pub digest: Option<Arc<str>>,
    /// What shifts its weights by itself, as of this moment; they are in the traffic already.
    pub rollout: Option<Rollout>,
    /// Why a newer traffic file does not apply.
    pub refused: Option<String>,
    /// The split's next turn; goes on when weights change.
    pub(crate) turn: Arc<AtomicU64>,
    /// The shadow's.
    pub(crate) shadow_turn: Arc<AtomicU64>,
    /// Of requests whose version is out: theirs are every second one, say, and would all go the same way.
    pub(crate) fallback_turn: Arc<AtomicU64>,
    /// Its counts, where it points to a version.
    pub(crate) shadow_metrics: Option<Arc<ShadowMetrics>>,
    pub(crate) metrics: TrafficMetrics,
}

/// The version that a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The version.
    pub version: u64,
    /// Why this one.
    pub route: Route,
}

/// Why no version was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// None serves.
    NothingServes,
    /// None serves of those that the split gives a share.
    NoArmServes,
    /// This one does not serve; whether it exists is for the caller to find out.
    NotServing(u64),
    /// No such label.
    UnknownLabel,
}

impl Routes {
    /// The version that a selector means, whatever the traffic: the newest that serves for any.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(
        &self,
        selector: &VersionSelector,
        mut serving: impl DoubleEndedIterator<Item = u64>,
    ) -> Result<u64, Miss> {
        let number = match selector {
            VersionSelector::Any => return serving.next_back().ok_or(Miss::NothingServes),
            VersionSelector::Number(number) => *number,
            VersionSelector::Label(label) => self.labels.get(label).ok_or(Miss::UnknownLabel)?.target(),
        };
        serving.find(|&serves| serves == number).ok_or(Miss::NotServing(number))
    }

    /// The version that a request goes to, out of those that serve, in ascending order.
    ///
    /// # Errors
    /// Why there is none.
    pub fn choose(
        &self,
        request: &InferRequest,
        serving: impl DoubleEndedIterator<Item = u64> + Clone,
    ) -> Result<Choice, Miss> {
        let reason = match &request.version {
            VersionSelector::Any => return self.by_traffic(request, serving, &self.turn),
            VersionSelector::Number(_) => RouteReason::Version,
            VersionSelector::Label(_) => RouteReason::Label,
        };
        let version = self.find(&request.version, serving)?;
        let arm = match &request.version {
            VersionSelector::Label(label) => Some(label.as_str().into()),
            _ => None,
        };
        Ok(Choice { version, route: Route { arm, reason } })
    }

    fn by_traffic(
        &self,
        request: &InferRequest,
        mut serving: impl DoubleEndedIterator<Item = u64> + Clone,
        turn: &AtomicU64,
    ) -> Result<Choice, Miss> {
        let bound = |target: &Target| {
            let number = self.version(target)?;
            serving.clone().find(|&serves| serves == number)
        };
        let rule = self.traffic.rules.iter().filter(|rule| rule.takes(request));
        if let Some((rule, version)) = rule.filter_map(|rule| Some((rule, bound(&rule.to)?))).next() {
            let route = Route { arm: Some(rule.to.to_string().into()), reason: RouteReason::Rule };
            return Ok(Choice { version, route });
        }
        let Some(split) = &self.traffic.split else {
            let version = serving.next_back().ok_or(Miss::NothingServes)?;
            return Ok(Choice { version, route: Route::default() });
        };
        let (arm, reason) = Self::by_split(split, request, turn, |arm| bound(&arm.target).is_some());
        let (arm, version) = arm.and_then(|arm| Some((arm, bound(&arm.target)?))).ok_or(Miss::NoArmServes)?;
        Ok(Choice { version, route: Route { arm: Some(arm.name.clone()), reason } })
    }

    fn by_split<'a>(
        split: &'a Split,
        request: &InferRequest,
        turn: &AtomicU64,
        open: impl Fn(&Arm) -> bool,
    ) -> (Option<&'a Arm>, RouteReason) {
        let key = split.sticky.iter().find_map(|source| source.value(request));
        match key.filter(|key| !key.is_empty()) {
            Some(key) => (split.by_key(&key, open), RouteReason::Sticky),
            None => {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                (split.by_turn(turn, open), RouteReason::Split)
            }
        }
    }

    /// The version that gets a copy of a request which `answering` answers, if one does.
    pub fn shadow(&self, answering: u64, mut serving: impl Iterator<Item = u64>) -> Option<(u64, &Shadow)> {
        let shadow = self.traffic.shadow.as_ref()?;
        let version = self.version(&shadow.to).filter(|&version| version != answering)?;
        let turn = self.shadow_turn.fetch_add(1, Ordering::Relaxed);
        (shadow.takes(turn) && serving.any(|serves| serves == version)).then_some((version, shadow))
    }

    /// What looks at both arms of a rollout, while somebody does.
    pub(crate) fn watch(&self) -> Option<&Arc<Watch>> {
        self.rollout.as_ref()?.watch()
    }

    /// The version that a target means now, whether it serves or not; `None` for a label that waits for its first.
    pub fn version(&self, target: &Target) -> Option<u64> {
        match target {
            Target::Version(number) => Some(*number),
            Target::Label(label) => self.labels.get(&**label)?.bound,
        }
    }

    /// Counts a request that goes this way.
    pub(crate) fn count(&self, route: &Route) {
        if let Some(arm) = &route.arm {
            self.metrics.request(arm, route.reason);
        }
    }
}

impl Binding {
    /// The version that it points to; the one that it waits for where there is none.
    fn target(&self) -> u64 {
        self.bound.unwrap_or(self.wanted)
    }
}
