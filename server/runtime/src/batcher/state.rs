//! What the one lock of a version guards.

use std::{collections::VecDeque, time::Instant};

use super::{
    dispatch::{Dispatch, Errand},
    error::Refusal,
    estimate::Estimate,
    policy::{BatchPolicy, Decision, decide},
    queue::{Queue, Refused},
    standing::Standings,
};
use crate::settings::ModelSettings;

/// What waits, what runs, and who.
pub(super) struct State {
    pub(super) queue: Queue,
    /// Parts of failed batches, to be run before anything else.
    pub(super) parts: VecDeque<Dispatch>,
    pub(super) errands: Vec<VecDeque<Errand>>,
    /// Batches that each session holds.
    pub(super) running: Vec<usize>,
    pub(super) standings: Standings,
    /// Instances that wait for work.
    pub(super) idle: usize,
    /// Instances that wait for their session to take another batch.
    pub(super) saturated: usize,
    pub(super) estimate: Estimate,
    pub(super) next_ticket: u64,
    pub(super) closed: bool,
}

impl State {
    /// Nothing waits, and all instances have a session.
    pub(super) fn new(settings: &ModelSettings, instances: usize) -> Self {
        Self {
            queue: Queue::new(settings),
            parts: VecDeque::new(),
            errands: (0..instances).map(|_| VecDeque::new()).collect(),
            running: vec![0; instances],
            standings: Standings::new(instances),
            idle: 0,
            saturated: 0,
            estimate: Estimate::default(),
            next_ticket: 0,
            closed: false,
        }
    }

    pub(super) fn next(&self, policy: &BatchPolicy, now: Instant) -> Decision {
        match self.parts.front() {
            Some(part) => Decision::Run(part.messages.len(), part.reason),
            None => decide(&self.queue.view(policy, self.most_rows(policy), self.closed), policy, now),
        }
    }

    /// The most rows of the next batch. Who says which sizes are wanted, or waits for company, gets them.
    fn most_rows(&self, policy: &BatchPolicy) -> usize {
        match policy.takes_what_is_there() {
            true => self.estimate.appetite.most(policy.max_rows, self.next_ticket),
            false => policy.max_rows,
        }
    }

    /// Why nothing is taken in.
    pub(super) fn refuses(&self) -> Option<Refusal> {
        if self.closed { Some(Refusal::Closed) } else { self.standings.reason().map(Refusal::NoSession) }
    }

    pub(super) fn estimate_refused(&mut self, why: &Refusal) {
        if *why == Refusal::TooLate {
            self.estimate.doubt();
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.closed
            && self.queue.len() == 0
            && self.parts.is_empty()
            && self.running.iter().all(|&running| running == 0)
    }

    /// Takes out what is too late, where something may be.
    pub(super) fn sweep_if_wanted(&mut self, now: Instant) -> Vec<Refused> {
        let wanted = self.queue.wants_sweep(now, self.estimate.least());
        if wanted { self.sweep(now) } else { Vec::new() }
    }

    /// Takes out what is too late.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<Refused> {
        let refused = self.queue.sweep(now, self.estimate.least());
        refused.iter().for_each(|(_, why)| self.estimate_refused(why));
        refused
    }
}
