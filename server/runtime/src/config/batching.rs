//! `dynamic_batching`: how requests become batches, in what order, and how long they may wait.

use std::{collections::BTreeMap, time::Duration};

use girandole_proto::config::{
    ModelDynamicBatching, ModelQueuePolicy, model_queue_policy::TimeoutAction as ProtoAction,
};

use super::mistakes::Mistakes;
use crate::settings::{BatchingSettings, QueuePolicy, TimeoutAction};

/// Each priority is a queue of its own.
const MAX_PRIORITY_LEVELS: u64 = 1000;

/// The settings, held against the most rows of one execution.
pub(super) fn resolve(
    batching: &ModelDynamicBatching,
    max_batch_size: usize,
    mistakes: &mut Mistakes,
) -> BatchingSettings {
    let (priority_levels, default_priority) = priorities(batching, mistakes);
    BatchingSettings {
        preferred_batch_sizes: preferred(batching, max_batch_size, mistakes),
        max_queue_delay: Duration::from_micros(batching.max_queue_delay_microseconds),
        preserve_ordering: batching.preserve_ordering,
        priority_levels,
        default_priority,
        priority_policies: policies(batching, mistakes),
    }
}

/// The policy of requests without one of their own. Without any, a caller's timeout counts.
pub(super) fn default_policy(
    batching: Option<&ModelDynamicBatching>,
    mistakes: &mut Mistakes,
) -> QueuePolicy {
    match batching.and_then(|batching| batching.default_queue_policy.as_ref()) {
        Some(given) => policy(given, "dynamic_batching.default_queue_policy", mistakes),
        None => QueuePolicy::default(),
    }
}

fn preferred(batching: &ModelDynamicBatching, max_batch_size: usize, mistakes: &mut Mistakes) -> Vec<usize> {
    let mut sizes = Vec::with_capacity(batching.preferred_batch_size.len());
    for &given in &batching.preferred_batch_size {
        match usize::try_from(given).ok().filter(|size| (1..=max_batch_size).contains(size)) {
            Some(size) => sizes.push(size),
            None => mistakes.add(
                "dynamic_batching.preferred_batch_size",
                format!("must be from 1 to max_batch_size, which is {max_batch_size}, got {given}"),
            ),
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn priorities(batching: &ModelDynamicBatching, mistakes: &mut Mistakes) -> (u64, u64) {
    let (levels, default) = (batching.priority_levels, batching.default_priority_level);
    if levels > MAX_PRIORITY_LEVELS {
        mistakes.add(
            "dynamic_batching.priority_levels",
            format!("must be at most {MAX_PRIORITY_LEVELS}, got {levels}"),
        );
        return (1, 1);
    }
    let fits = if levels == 0 { default == 0 } else { (1..=levels).contains(&default) };
    if !fits {
        let allowed = if levels == 0 {
            "left out while priority_levels is 0".to_owned()
        } else {
            format!("from 1 to {levels}")
        };
        mistakes.add("dynamic_batching.default_priority_level", format!("must be {allowed}, got {default}"));
    }
    (levels.max(1), default.max(1))
}

fn policies(batching: &ModelDynamicBatching, mistakes: &mut Mistakes) -> BTreeMap<u64, QueuePolicy> {
    let mut policies = BTreeMap::new();
    let mut given: Vec<_> = batching.priority_queue_policy.iter().collect();
    given.sort_unstable_by_key(|(level, _)| **level);
    for (&level, settings) in given {
        let field = format!("dynamic_batching.priority_queue_policy[{level}]");
        if (1..=batching.priority_levels).contains(&level) {
            policies.insert(level, policy(settings, &field, mistakes));
        } else {
            mistakes.add(
                field,
                format!("its key must be from 1 to priority_levels, which is {}", batching.priority_levels),
            );
        }
    }
    policies
}

fn policy(given: &ModelQueuePolicy, field: &str, mistakes: &mut Mistakes) -> QueuePolicy {
    if ProtoAction::try_from(given.timeout_action).is_err() {
        mistakes.add(format!("{field}.timeout_action"), "must be REJECT or DELAY");
    }
    let timeout = given.default_timeout_microseconds;
    QueuePolicy {
        timeout_action: match given.timeout_action() {
            ProtoAction::Reject => TimeoutAction::Reject,
            ProtoAction::Delay => TimeoutAction::Delay,
        },
        default_timeout: (timeout > 0).then(|| Duration::from_micros(timeout)),
        allow_timeout_override: given.allow_timeout_override,
        max_queue_size: (given.max_queue_size > 0).then_some(given.max_queue_size as usize),
    }
}
