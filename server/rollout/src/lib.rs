//! A canary by itself: when it gets more of the traffic, and when it is taken back. Pure: no clock, no threads.
//!
//! A [`Plan`] says the steps and the guard rails, an [`Arm`] sums up what was seen of one version, [`judge`] compares
//! the two arms, and [`decide`] says what to do. The words are those of Argo Rollouts: steps, set weight, pause,
//! promote, abort.
//!
//! Guard rails are looked at again and again, so their bounds hold at all looks together: the chance that a whole
//! rollout of a canary within all limits is rolled back is at most [`Plan::alpha`]. What this rests on: requests are
//! dealt to the arms by chance or evenly and independently of what they ask, and one request's outcome says nothing
//! about the next one's. Each step is compared by itself, with weights that stand, so that what changes with the time
//! of day meets both arms alike.
#![forbid(unsafe_code)]

mod arm;
mod bernoulli;
mod blind;
mod command;
mod decide;
mod distance;
mod guard;
mod histogram;
mod metric;
mod plan;
pub mod power;
mod quantile;
mod state;

pub use self::{
    arm::{Arm, BINS, Cuts, Observed},
    command::{Command, command},
    decide::{Decision, Hold, Seen, decide},
    guard::{Verdict, judge},
    histogram::{Histogram, LATENCY_BUCKETS, VALUE_BUCKETS, category_bucket, latency_bucket, value_bucket},
    metric::Metric,
    plan::{Pause, Plan, Step},
    state::{Phase, Reason, State},
};
