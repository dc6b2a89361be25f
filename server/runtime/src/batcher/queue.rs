//! The requests that wait, by priority, within exact bounds. No clock and no lock of its own.
//!
//! Order: priorities ascending (1 is the highest); within one, requests that are in time before requests
//! whose timeout passed under [`TimeoutAction::Delay`]; within those, first come, first served.
//! Invariant: `len` is the number of messages held, and no level holds more than its policy allows.

mod level;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use self::level::{Fate, Level};
use super::{
    error::Refusal,
    estimate::Estimate,
    message::Message,
    pace::Foreseen,
    policy::{BatchPolicy, View},
};
use crate::settings::{ModelSettings, QueuePolicy, TimeoutAction};

/// Most requests that wait for one version where the configuration gives no `max_queue_size`.
pub const DEFAULT_MAX_QUEUE_SIZE: usize = 4096;

/// How many waiting requests are looked at to fill a batch; those beyond have their turn later.
const SCAN_LIMIT: usize = 1024;

/// Empty levels are kept up to this many, so that the usual few priorities cost no allocation.
const KEPT_LEVELS: usize = 16;

/// A message that leaves the queue without being run, and why.
pub(crate) type Refused = (Message, Refusal);

/// The requests that wait for one version.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Limits,
    levels: BTreeMap<u64, Level>,
    len: usize,
    next_number: u64,
    /// No timeout of a message passes before this.
    next_expiry: Option<Instant>,
    /// No deadline of a message passes before this.
    next_deadline: Option<Instant>,
}

/// Where a message was put, so that its caller finds it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    priority: u64,
    number: u64,
    /// When it is refused if it still waits then.
    pub(crate) expires: Option<Instant>,
}

/// The queue policies of a model, by priority.
#[derive(Clone, Debug)]
struct Limits {
    default: QueuePolicy,
    by_priority: BTreeMap<u64, QueuePolicy>,
    levels: u64,
    default_priority: u64,
}

/// How long a request waits.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// When it must have been handed to a session.
    expires: Option<Instant>,
    /// When it must have been answered.
    deadline: Option<Instant>,
}

impl Queue {
    pub(crate) fn new(settings: &ModelSettings) -> Self {
        let limits = Limits::new(settings);
        let levels = BTreeMap::new();
        Self { limits, levels, len: 0, next_number: 0, next_expiry: None, next_deadline: None }
    }

    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a message in, `now` being the start of its queue timeout.
    ///
    /// # Errors
    /// The message itself where its level is full, or where it would be answered too late, as far as can be foreseen:
    /// better now than after it has waited in vain, or was run for nobody.
    pub(crate) fn push(
        &mut self,
        mut message: Message,
        now: Instant,
        estimate: &Estimate,
    ) -> Result<Place, Box<Refused>> {
        let priority = self.limits.priority(message.priority);
        let policy = self.limits.policy(priority);
        let rejects = policy.timeout_action == TimeoutAction::Reject;
        message.expires = timeout(policy, message.queue_timeout).and_then(|after| now.checked_add(after));
        let expires = message.expires.filter(|_| rejects);
        let limits = Patience { expires, deadline: message.deadline };
        if let Err(refusal) = self.admit(limits, priority, now, estimate) {
            return Err(Box::new((message, refusal)));
        }
        message.number = self.next_number;
        self.next_number += 1;
        self.next_expiry = earlier(self.next_expiry, message.expires);
        self.next_deadline = earlier(self.next_deadline, message.deadline);
        let place = Place { priority, number: message.number, expires };
        self.levels.entry(priority).or_default().push(message);
        self.len += 1;
        Ok(place)
    }

    /// Whether a message of this priority would be refused for want of room.
    pub(crate) fn is_full(&self, priority: u64) -> bool {
        self.room(self.limits.priority(priority)).is_err()
    }

    fn admit(
        &self,
        patience: Patience,
        priority: u64,
        now: Instant,
        estimate: &Estimate,
    ) -> Result<(), Refusal> {
        if patience.deadline.is_some_and(|deadline| deadline < now + estimate.least()) {
            return Err(Refusal::TooLate);
        }
        self.room(priority)?;
        if !patience.ends() {
            return Ok(());
        }
        let rows = self.levels.range(..=priority).map(|(_, level)| level.rows).sum();
        match estimate.pace.foresee(rows) {
            Some(foreseen) if patience.ends_before(now, foreseen) => {
                Err(Refusal::Backlog { rows, wait: foreseen.start })
            }
            _ => Ok(()),
        }
    }

    /// A level without a bound of its own is bounded by the whole queue, so that many priorities do not
    /// multiply the bound.
    fn room(&self, priority: u64) -> Result<(), Refusal> {
        let (held, bound) = match self.limits.policy(priority).max_queue_size {
            Some(bound) => (self.levels.get(&priority).map_or(0, Level::len), bound),
            None => (self.len, DEFAULT_MAX_QUEUE_SIZE),
        };
        if held < bound { Ok(()) } else { Err(Refusal::Full(held)) }
    }

    /// Whether a sweep may find something by now.
    pub(crate) fn wants_sweep(&self, now: Instant, least: Duration) -> bool {
        self.next_expiry.is_some_and(|expiry| expiry <= now)
            || self.next_deadline.is_some_and(|deadline| deadline < now + least)
    }

    /// Removes who is out of time, or whose deadline is nearer than `least`; moves back who is delayed. Looks
    /// at every message.
    pub(crate) fn sweep(&mut self, now: Instant, least: Duration) -> Vec<Refused> {
        let mut refused = Vec::new();
        (self.next_expiry, self.next_deadline) = (None, None);
        for (&priority, level) in &mut self.levels {
            let action = self.limits.policy(priority).timeout_action;
            level.sweep(|message| fate(message, now, least, action), &mut refused);
            for message in level.messages() {
                self.next_expiry = earlier(self.next_expiry, message.expires);
                self.next_deadline = earlier(self.next_deadline, message.deadline);
            }
        }
        self.len -= refused.len();
        if self.levels.len() > KEPT_LEVELS {
            self.levels.retain(|_, level| level.len() > 0);
        }
        refused
    }

    /// What the next batch could be made of: the first message and those that fit it, up to `most` rows.
    pub(crate) fn view(&self, policy: &BatchPolicy, most: usize, draining: bool) -> View {
        let mut view = View { draining, next_expiry: self.next_expiry, ..View::default() };
        let mut messages = self.messages();
        let Some(first) = messages.next() else { return view };
        view.rows.push(first.rows);
        view.oldest = Some(first.received);
        if policy.alone {
            return view;
        }
        let mut free = most.saturating_sub(first.rows);
        for message in messages.take(SCAN_LIMIT) {
            match (free, first.fits(message)) {
                (0, _) => break,
                (_, true) if message.rows <= free => {
                    free -= message.rows;
                    view.rows.push(message.rows);
                    view.oldest = view.oldest.min(Some(message.received));
                }
                // What fits but is too large ends the batch, so that equals keep their order; what does not
                // fit waits for a batch of its own kind, and ends this one only where order matters.
                (_, fits) if fits || policy.preserve_ordering => {
                    view.more = true;
                    break;
                }
                _ => {}
            }
        }
        view
    }

    /// Removes the first `count` of the candidates that [`Self::view`] showed.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Message> {
        let mut taken: Vec<Message> = Vec::with_capacity(count);
        for level in self.levels.values_mut() {
            level.take(count, &mut taken);
        }
        self.len -= taken.len();
        taken
    }

    /// Removes the message that was put there, if it still waits.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Message> {
        let message = self.levels.get_mut(&place.priority)?.remove(place.number)?;
        self.len -= 1;
        Some(message)
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) -> Vec<Message> {
        self.len = 0;
        let levels = std::mem::take(&mut self.levels).into_values();
        levels.flat_map(Level::into_messages).collect()
    }

    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.levels.values().flat_map(Level::messages)
    }
}

impl Patience {
    fn ends(self) -> bool {
        self.expires.is_some() || self.deadline.is_some()
    }

    fn ends_before(self, now: Instant, foreseen: Foreseen) -> bool {
        self.expires.is_some_and(|expires| expires < now + foreseen.start)
            || self.deadline.is_some_and(|deadline| deadline < now + foreseen.answer)
    }
}

impl Limits {
    fn new(settings: &ModelSettings) -> Self {
        let batching = settings.batching.as_ref();
        Self {
            default: settings.default_queue_policy,
            by_priority: batching.map(|b| b.priority_policies.clone()).unwrap_or_default(),
            levels: batching.map_or(1, |b| b.priority_levels),
            default_priority: batching.map_or(1, |b| b.default_priority),
        }
    }

    /// The level of a request: its own priority where the model has it, else the default, as in Triton.
    fn priority(&self, asked: u64) -> u64 {
        if (1..=self.levels).contains(&asked) { asked } else { self.default_priority }
    }

    fn policy(&self, priority: u64) -> &QueuePolicy {
        self.by_priority.get(&priority).unwrap_or(&self.default)
    }
}

/// What becomes of a waiting message by now; `least` is the time until any answer.
fn fate(message: &Message, now: Instant, least: Duration, action: TimeoutAction) -> Fate {
    let expired = message.expires.is_some_and(|expires| expires <= now);
    match action {
        _ if is_late(message, now, least) => Fate::Refuse(Refusal::TooLate),
        TimeoutAction::Reject if expired => Fate::Refuse(Refusal::Expired),
        TimeoutAction::Delay if expired => Fate::Delay,
        _ => Fate::Stay,
    }
}

/// Whether a message's deadline comes before any answer could.
pub(crate) fn is_late(message: &Message, now: Instant, least: Duration) -> bool {
    message.deadline.is_some_and(|deadline| deadline < now + least)
}

/// How long a request may wait: the policy's time, or the caller's own where that is shorter and allowed.
pub(crate) fn timeout(policy: &QueuePolicy, asked: Option<Duration>) -> Option<Duration> {
    let asked = asked.filter(|after| policy.allow_timeout_override && !after.is_zero());
    match (policy.default_timeout, asked) {
        (Some(default), Some(asked)) => Some(default.min(asked)),
        (default, asked) => default.or(asked),
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
