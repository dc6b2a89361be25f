//! A model's configuration, validated: what the runtime acts on once the file's form is behind it.
//!
//! Invariant: everything here is consistent (`default_priority` within `1..=priority_levels`, bounds at
//! least 1 where they say so); only [`crate::config`] builds it.

use std::{collections::BTreeMap, time::Duration};

use girandole_core::{ModelSpec, Placement};

/// What the runtime needs to know to serve one version of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    /// What the model takes and gives as clients see it; its `max_batch_size` is the configured one.
    pub spec: ModelSpec,
    /// Sessions to open: one OS thread each.
    pub instances: Vec<Placement>,
    /// How requests become batches; `None` runs each request alone.
    pub batching: Option<BatchingSettings>,
    /// What bounds the queue of a request without a priority, batching or not.
    pub default_queue_policy: QueuePolicy,
    /// Requests to run before the version serves.
    pub warmup: Vec<WarmupRequest>,
    /// Whether the version is taken out of the traffic where its runs keep failing.
    pub circuit_breaker: CircuitBreaker,
    /// Labels of an output's classes, by output name.
    pub class_labels: BTreeMap<String, Vec<String>>,
    /// Free-form parameters for the engine.
    pub parameters: BTreeMap<String, String>,
}

/// Whether versions that keep failing are taken out of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CircuitBreaker {
    /// They are, where another version can answer.
    #[default]
    On,
    /// Requests go where the traffic says, whatever comes of them.
    Off,
}

/// Triton's `dynamic_batching`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchingSettings {
    /// Batch sizes (rows) worth waiting for, ascending; empty prefers the largest possible.
    pub preferred_batch_sizes: Vec<usize>,
    /// How long a request may wait for company while no preferred size is reached.
    pub max_queue_delay: Duration,
    /// Answer in the order in which requests came.
    pub preserve_ordering: bool,
    /// Number of priorities, 1 the highest; at least 1.
    pub priority_levels: u64,
    /// The priority of a request that gives none, within `1..=priority_levels`.
    pub default_priority: u64,
    /// Policies of single priorities, where they differ from the default one.
    pub priority_policies: BTreeMap<u64, QueuePolicy>,
}

/// Triton's `ModelQueuePolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePolicy {
    /// What happens to a request that waited longer than its timeout.
    pub timeout_action: TimeoutAction,
    /// How long a request may wait; `None` for ever.
    pub default_timeout: Option<Duration>,
    /// Whether a request's own timeout may shorten the default one.
    pub allow_timeout_override: bool,
    /// Most requests waiting at once; `None` for the server's default bound.
    pub max_queue_size: Option<usize>,
}

/// What happens to a request whose queue timeout passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimeoutAction {
    /// It is refused.
    #[default]
    Reject,
    /// It waits on, behind every request that is in time.
    Delay,
}

impl Default for QueuePolicy {
    fn default() -> Self {
        Self {
            timeout_action: TimeoutAction::Reject,
            default_timeout: None,
            allow_timeout_override: true,
            max_queue_size: None,
        }
    }
}

/// Triton's `model_warmup`: a request to run before the version serves.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmupRequest {
    /// Its name, for messages.
    pub name: String,
    /// The whole request's tensors, batch dimension included.
    pub inputs: Vec<girandole_core::NamedTensor>,
    /// How often to run it.
    pub count: usize,
}
