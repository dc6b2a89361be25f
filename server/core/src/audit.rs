//! What is worth an entry in an audit log: who changed what, with the digests of it before and after.
//!
//! Whoever makes a change tells a [`Witness`] and knows nothing of files. A witness never holds anybody up.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

/// Who is behind a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Actor {
    /// The server of its own accord.
    #[default]
    Server,
    /// Whoever writes to the model repository.
    Repository,
    /// A client of the inference protocol, which asks for no name.
    Client,
    /// Somebody on this machine, over an admin listener without tokens.
    Loopback(SocketAddr),
    /// The holder of an admin token.
    Token {
        /// The token's name, never the token.
        name: String,
        /// Where the holder is.
        peer: SocketAddr,
    },
}

impl Actor {
    /// The holder's address, where there is one.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Loopback(peer) | Self::Token { peer, .. } => Some(*peer),
            Self::Server | Self::Repository | Self::Client => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Repository => "repository",
            Self::Client => "client",
            Self::Loopback(_) => "loopback",
            Self::Token { name, .. } => name,
        })
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// The model that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its versions that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<u64>,
    /// SHA-256 of what was there before: of a traffic file's text, or of a version's `SHA256SUMS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// SHA-256 of what is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The kinds of changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", content = "detail", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields say what their names say")]
pub enum What {
    /// The server began.
    ServerStarted { version: String },
    /// The server ended in order.
    ServerStopped,
    /// A version serves.
    VersionLoaded,
    /// A version, or the model as a whole, cannot be loaded.
    VersionFailed { reason: String },
    /// A version does not serve any more.
    VersionUnloaded { reason: String },
    /// A version keeps failing and is taken out of the traffic.
    VersionTripped { reason: String },
    /// A version that was taken out is back in the traffic.
    VersionRecovered,
    /// Traffic follows another file, or none any more.
    TrafficApplied,
    /// A traffic file cannot be honoured; the one before applies.
    TrafficRefused { reason: String },
    /// Somebody set the split's weights.
    WeightsSet { weights: BTreeMap<String, f64> },
    /// A rollout began.
    RolloutStarted,
    /// A rollout took a step; `weight` in percent.
    RolloutAdvanced { weight: f64 },
    /// A rollout stands still.
    RolloutPaused,
    /// A rollout goes on.
    RolloutResumed,
    /// A rollout went back by itself.
    RolloutRolledBack { reason: String },
    /// A rollout's version took over.
    RolloutPromoted,
    /// Somebody ended a rollout.
    RolloutAborted,
    /// What is logged changed.
    LogSettingsChanged { settings: BTreeMap<String, String> },
    /// What is traced changed; `null` goes back to the default.
    TraceSettingsChanged { settings: BTreeMap<String, Option<Vec<String>>> },
    /// The audit log was not whole when it was opened: these bytes before this entry are no entries.
    LogRepaired { bytes: u64, sha256: String },
    /// Entries could not be written before this one.
    EntriesLost { count: u64 },
}

impl Change {
    /// A change of the server as a whole.
    pub fn new(what: What) -> Self {
        Self { what, model: None, versions: Vec::new(), before: None, after: None }
    }

    /// The same, about a model.
    #[must_use]
    pub fn of(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// The same, about versions.
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = u64>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// The same, with digests before and after.
    #[must_use]
    pub fn digests(mut self, before: Option<&str>, after: Option<&str>) -> Self {
        (self.before, self.after) = (before.map(str::to_owned), after.map(str::to_owned));
        self
    }
}

impl What {
    /// Its name, as entries have it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ServerStarted { .. } => "server_started",
            Self::ServerStopped => "server_stopped",
            Self::VersionLoaded => "version_loaded",
            Self::VersionFailed { .. } => "version_failed",
            Self::VersionUnloaded { .. } => "version_unloaded",
            Self::VersionTripped { .. } => "version_tripped",
            Self::VersionRecovered => "version_recovered",
            Self::TrafficApplied => "traffic_applied",
            Self::TrafficRefused { .. } => "traffic_refused",
            Self::WeightsSet { .. } => "weights_set",
            Self::RolloutStarted => "rollout_started",
            Self::RolloutAdvanced { .. } => "rollout_advanced",
            Self::RolloutPaused => "rollout_paused",
            Self::RolloutResumed => "rollout_resumed",
            Self::RolloutRolledBack { .. } => "rollout_rolled_back",
            Self::RolloutPromoted => "rollout_promoted",
            Self::RolloutAborted => "rollout_aborted",
            Self::LogSettingsChanged { .. } => "log_settings_changed",
            Self::TraceSettingsChanged { .. } => "trace_settings_changed",
            Self::LogRepaired { .. } => "log_repaired",
            Self::EntriesLost { .. } => "entries_lost",
        }
    }
}

/// Takes note of changes.
pub trait Witness: Send + Sync {
    /// Takes note; returns at once.
    fn record(&self, who: &Actor, change: Change);
}

/// Nobody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwitnessed;

impl Witness for Unwitnessed {
    fn record(&self, _: &Actor, _: Change) {}
}
