//! Where a request goes whose version is out of the traffic.
//!
//! Only what traffic deals out goes elsewhere: who names a version or a label gets it, whatever comes of that. The last
//! version is asked all the same, and so is a rollout's canary while its guards look at it.

use girandole_core::{InferRequest, Route, RouteReason, VersionSelector};

use super::{Choice, Routes};
use crate::traffic::Target;

impl Routes {
    /// Whether requests to a version may go elsewhere where it is out.
    pub(crate) fn may_fall_back(&self, request: &InferRequest, version: u64) -> bool {
        request.version == VersionSelector::Any && self.watch().is_none_or(|watch| !watch.is_canary(version))
    }

    /// What answers instead of a version that is `out`, of those `healthy` in ascending order: what the traffic would
    /// choose if only they served, else the newest that is older, else the newest that the traffic does not hold back.
    pub(crate) fn fall_back(
        &self,
        request: &InferRequest,
        out: u64,
        healthy: impl DoubleEndedIterator<Item = u64> + Clone,
    ) -> Option<Choice> {
        let by_traffic = self.by_traffic(request, healthy.clone(), &self.fallback_turn).ok();
        let choice = by_traffic.or_else(|| {
            // An older one served before this one did; a newer one may have shown nothing yet.
            let mut older = healthy.clone().rev().filter(|&version| version < out);
            let version =
                older.next().or_else(|| healthy.rev().find(|&version| !self.holds_back(version)))?;
            Some(Choice { version, route: Route::default() })
        })?;
        Some(Choice { route: Route { reason: RouteReason::Fallback, ..choice.route }, ..choice })
    }

    /// Whether a version is there to be looked at, by a shadow or with a weight of nothing.
    fn holds_back(&self, version: u64) -> bool {
        let is = |target: &Target| self.version(target) == Some(version);
        let mut arms = self.traffic.split.iter().flat_map(|split| split.arms());
        arms.any(|arm| arm.weight == 0.0 && is(&arm.target))
            || self.traffic.shadow.as_ref().is_some_and(|shadow| is(&shadow.to))
    }
}
