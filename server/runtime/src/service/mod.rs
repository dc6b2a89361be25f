//! The single door to the runtime: every protocol calls these methods and nothing else.
//!
//! [`infer`](Service::infer) stands in `infer.rs`, everything that asks about models or changes them in
//! `control.rs`, rollouts in `rollout.rs`, circuit breakers in `breakers.rs`. All of them read one [`Snapshot`] behind one `ArcSwap`; only the lifecycle
//! stores into it.

mod breakers;
mod budget;
mod control;
mod infer;
#[cfg(test)]
#[cfg(feature = "races")]
mod races;
mod rollout;
#[cfg(test)]
#[cfg(not(feature = "races"))]
mod tests;
mod trace;
mod traffic;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool, mpsc},
};

use girandole_core::{
    ModelSpec,
    audit::{Unwitnessed, Witness},
};
use tokio::sync::watch;

pub(crate) use self::budget::ByteBudget;
pub use self::{
    budget::{BytesHeld, DEFAULT_IN_FLIGHT_BYTES},
    traffic::{ArmStatus, SetWeights, TrafficStatus},
};
pub use crate::breaker::{BreakerState, BreakerStatus};
use crate::{
    lifecycle::Event, rollout::Clock, shadow::Shadows, snapshot::Snapshot, sync::ArcSwap, trace::Tracer,
    traffic::TrafficStore,
};

/// A handle on the runtime; clones share it.
#[derive(Clone)]
pub struct Service(pub(crate) Arc<Shared>);

/// What the service's methods and the lifecycle share.
pub(crate) struct Shared {
    /// Every model, version and state as of now. Stored into by the lifecycle alone.
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Counts the snapshots stored, for those who wait for the next one.
    pub(crate) published: watch::Sender<u64>,
    /// What the lifecycle acts on.
    pub(crate) events: mpsc::Sender<Event>,
    /// Whether callers load and unload.
    pub(crate) explicit: bool,
    /// Set when the end is near: readiness fails, requests are still served.
    pub(crate) ready_withdrawn: AtomicBool,
    /// Set once, when the server begins to shut down: readiness fails and new requests are refused.
    pub(crate) shutting_down: AtomicBool,
    /// Bytes of requests that may be in flight at once.
    pub(crate) in_flight: Arc<ByteBudget>,
    /// Copies of requests that are being answered for the metrics alone.
    pub(crate) shadows: Shadows,
    /// Which requests are traced.
    pub(crate) tracer: Tracer,
    /// The models' traffic files.
    pub(crate) traffic: TrafficStore,
    /// Who is told of changes.
    pub(crate) witness: Arc<dyn Witness>,
    /// What rollouts' times are counted by.
    pub(crate) clock: Clock,
}

impl Shared {
    /// A runtime without models; `events` reach the lifecycle.
    pub(crate) fn new(
        events: mpsc::Sender<Event>,
        explicit: bool,
        in_flight: ByteBudget,
        tracer: Tracer,
    ) -> Self {
        Self {
            snapshot: ArcSwap::default(),
            published: watch::Sender::new(0),
            events,
            explicit,
            ready_withdrawn: AtomicBool::new(false),
            shutting_down: AtomicBool::new(false),
            in_flight: Arc::new(in_flight),
            shadows: Shadows::default(),
            tracer,
            traffic: TrafficStore::new(Vec::new(), None),
            witness: Arc::new(Unwitnessed),
            clock: Clock::default(),
        }
    }
}

/// What a model's metadata say.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelMetadata {
    /// The model's name.
    pub name: String,
    /// Its versions that serve now, ascending.
    pub versions: Vec<u64>,
    /// What runs it, such as `onnx_girandole`.
    pub platform: String,
    /// Its inputs and outputs, the batch dimension included.
    pub spec: ModelSpec,
    /// What else there is to say, such as the precision that was measured.
    pub properties: BTreeMap<String, String>,
}

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum VersionState {
    Unknown,
    Loading,
    Ready,
    Unloading,
    Unavailable,
}

/// One line of the repository's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The model's name.
    pub name: String,
    /// The version, where one is known.
    pub version: Option<u64>,
    /// Where it stands; `None` for a model that was never loaded.
    pub state: Option<VersionState>,
    /// Why, where it is not READY, or not what its repository holds.
    pub reason: String,
}

/// What a caller may change when it asks to load a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOverride {
    /// A model configuration as JSON that replaces the repository's for this load.
    pub config: Option<String>,
}

impl std::fmt::Display for VersionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "UNKNOWN",
            Self::Loading => "LOADING",
            Self::Ready => "READY",
            Self::Unloading => "UNLOADING",
            Self::Unavailable => "UNAVAILABLE",
        })
    }
}
