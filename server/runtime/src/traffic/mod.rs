//! What an operator says about a model's traffic in `traffic.toml`, and the pure decisions that follow from it.
//!
//! [`Traffic`] is the file, checked as a whole: one that cannot be honoured never becomes a `Traffic`. What it says
//! about versions that serve now, [`bind`](binding::bind) works out; [`Routes`](crate::routing::Routes) puts both
//! together for requests.

mod applied;
mod binding;
mod edit;
mod file;
mod last_good;
mod metrics;
mod overlay;
mod rollout;
mod rule;
mod sequence;
mod shadow;
mod source;
mod split;
mod store;
mod target;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::{
    applied::Applied,
    file::{FoundTraffic, read},
    last_good::LastGood,
    metrics::{TrafficMetrics, describe},
    overlay::Overlays,
    store::TrafficStore,
};
pub use self::{
    binding::{Binding, Bindings, bind},
    file::{Origin, TRAFFIC_FILE},
    rollout::{Arms, Rollout},
    rule::{Match, Rule},
    shadow::Shadow,
    source::Source,
    split::{Arm, Split},
    store::Expected,
    target::Target,
};

/// A model's traffic, as its file has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The version that each label is to point to.
    pub labels: BTreeMap<String, u64>,
    /// What is looked at first, in order.
    pub rules: Vec<Rule>,
    /// Where the rest goes that asks for no version.
    pub split: Option<Split>,
    /// What gets copies.
    pub shadow: Option<Shadow>,
    /// What shifts the split's weights by itself.
    pub rollout: Option<Rollout>,
}

impl Traffic {
    /// Every version that it speaks of: these are to be loaded, whatever else is.
    pub fn versions(&self) -> BTreeSet<u64> {
        let arms = self.split.iter().flat_map(|split| split.arms()).map(|arm| &arm.target);
        let shadow = self.shadow.iter().map(|shadow| &shadow.to);
        // A rollout's targets are arms of the split.
        let targets = self.rules.iter().map(|rule| &rule.to).chain(arms).chain(shadow);
        let numbers = targets.filter_map(|target| match target {
            Target::Version(number) => Some(*number),
            Target::Label(_) => None,
        });
        numbers.chain(self.labels.values().copied()).collect()
    }
}
