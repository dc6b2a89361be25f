//! The one lock of a version: requests come in on one side, instances take batches on the other.
//!
//! Instances pull. A request costs one lock and at most one wake-up; there is no thread and no timer between.
//! Invariants: every message that came in is answered exactly once; an instance is told to stop only when
//! the queue is closed, empty and nothing runs that might come back in parts. Answers and refusals are sent
//! outside the lock.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use girandole_core::{Batch, ModelSpec, Result};

use super::{
    dispatch::{Answered, Dispatch, Errand, Wake},
    error::Refusal,
    message::Message,
    order::InOrder,
    policy::{BatchPolicy, Decision},
    queue::{Place, Refused, is_late},
    recover::Stage,
    standing::Standing,
    state::State,
};
use crate::{
    breaker::Breaker,
    settings::ModelSettings,
    statistics::{FailureReason, Recorder},
    sync::{Condvar, Mutex, MutexGuard, lock, mpsc, now},
};

/// The queue of one version as instances and callers share it.
pub(crate) struct Batcher {
    state: Mutex<State>,
    /// Signalled when there is something to take.
    work: Condvar,
    /// Signalled when a session can take another batch.
    slot: Condvar,
    /// Where instances wait that have no session: work is not for them.
    without_session: Condvar,
    order: Option<Mutex<InOrder<Answered>>>,
    pub(crate) policy: BatchPolicy,
    pub(crate) spec: ModelSpec,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) breaker: Arc<Breaker>,
}

impl Batcher {
    pub(crate) fn new(
        settings: &ModelSettings,
        instances: usize,
        recorder: Arc<Recorder>,
        breaker: Arc<Breaker>,
    ) -> Self {
        let policy = BatchPolicy::new(settings);
        Self {
            state: Mutex::new(State::new(settings, instances)),
            work: Condvar::new(),
            slot: Condvar::new(),
            without_session: Condvar::new(),
            order: policy.preserve_ordering.then(Mutex::default),
            policy,
            spec: settings.spec.clone(),
            recorder,
            breaker,
        }
    }

    /// Takes a request in, or answers it with the reason why not. Whoever waits for the answer calls
    /// [`Self::expire`] when its place expires, and [`Self::abandon`] when it goes.
    pub(crate) fn submit(&self, message: Message) -> Option<Place> {
        let now = now();
        let mut state = self.lock();
        let (mut refused, mut place) = (Vec::new(), None);
        if let Some(why) = state.refuses() {
            refused.push((message, why));
        } else {
            if state.queue.is_full(message.priority) {
                refused = state.sweep_if_wanted(now);
            }
            let State { queue, estimate, .. } = &mut *state;
            match queue.push(message, now, estimate) {
                Ok(put) => {
                    place = Some(put);
                    self.wake_one(&state);
                }
                Err(why) => {
                    state.estimate_refused(&why.1);
                    refused.push(*why);
                }
            }
        }
        self.settle(state, refused);
        place
    }

    /// Requests that wait.
    #[cfg(test)]
    #[cfg(not(feature = "races"))]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    /// Removes what expires at `at`, which has come, or before. For callers whose time is up while every
    /// session is busy.
    pub(crate) fn expire(&self, at: Instant) {
        let mut state = self.lock();
        // The caller's timer knows best: a clock that is behind it must not keep the request waiting.
        let refused = state.sweep(now().max(at));
        self.withdraw(state, refused);
    }

    /// A caller has gone: its request leaves the queue at once, and its payload with it.
    pub(crate) fn abandon(&self, place: Place) {
        let mut state = self.lock();
        let gone = state.queue.remove(place).map(|message| (message, Refusal::Cancelled));
        self.withdraw(state, gone.into_iter().collect());
    }

    /// An instance that was woken cannot take anything just yet: another one may.
    pub(crate) fn pass_on(&self) {
        self.wake_one(&self.lock());
    }

    /// Blocks until there is something for this instance. One without a session gets errands alone.
    pub(crate) fn wait(&self, instance: usize, standing: &Standing) -> Wake {
        let mut state = self.stand(self.lock(), instance, standing.session.as_ref().err());
        let depth = *standing.session.as_ref().unwrap_or(&1);
        while state.running.get(instance).is_some_and(|&running| running >= depth.max(1)) {
            state.saturated += 1;
            state = self.slot.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.saturated -= 1;
        }
        let look = standing.patience.map(|patience| now() + patience);
        loop {
            if let Some(errand) = state.errands.get_mut(instance).and_then(VecDeque::pop_front) {
                return Wake::Errand(Box::new(errand));
            }
            let now = now();
            let refused = state.sweep_if_wanted(now);
            if !refused.is_empty() {
                self.settle(state, refused);
                state = self.lock();
                continue;
            }
            let until = match state.next(&self.policy, now) {
                _ if state.is_done() => {
                    self.wake_all();
                    return Wake::Closed;
                }
                _ if look.is_some_and(|look| look <= now) => {
                    // It may have been woken for work, and a session that is lost takes long to open.
                    self.leave_to_others(&state);
                    return Wake::Look;
                }
                _ if standing.session.is_err() => None,
                Decision::Run(..) => return Wake::Work,
                Decision::Idle => None,
                Decision::WaitUntil(at) => Some(at),
            };
            let until = until.into_iter().chain(look).min().map(|at| at.saturating_duration_since(now));
            state = match standing.session {
                Ok(_) => self.sleep(state, until),
                Err(_) => sleep_on(&self.without_session, state, until),
            };
        }
    }

    /// Takes the next batch for this instance, if it is still there.
    pub(crate) fn take(&self, instance: usize) -> Option<Dispatch> {
        let now = now();
        let mut state = self.lock();
        let mut refused = state.sweep_if_wanted(now);
        let dispatch = match state.parts.pop_front() {
            Some(part) => self.still_wanted(part, &state, now, &mut refused),
            None => self.next_batch(&mut state, now),
        };
        if let (Some(_), Some(running)) = (&dispatch, state.running.get_mut(instance)) {
            *running += 1;
            self.recorder.running(state.running.iter().sum());
        }
        self.leave_to_others(&state);
        self.settle(state, refused);
        dispatch
    }

    /// A session has ended a batch: its answers go out, what is left of it runs again in `parts`.
    /// `took` is the time from hand-over to answer, where it was answered.
    pub(crate) fn finish(
        &self,
        instance: usize,
        ticket: u64,
        mut answers: Vec<Answered>,
        mut parts: Vec<Dispatch>,
        took: Option<Duration>,
    ) {
        let mut state = self.lock();
        if let Some(why) = state.standings.reason() {
            for message in parts.drain(..).flat_map(|part| part.messages) {
                self.recorder.failure(FailureReason::Backend, message.received.elapsed());
                answers.push((message, Err(Refusal::NoSession(why.clone()).into())));
            }
        }
        let again = parts.len();
        if let Some(took) = took {
            let rows = answers.iter().map(|(message, _)| message.rows).sum();
            let running = state.running.iter().sum();
            state.estimate.observe(took, rows, running);
        }
        if let Some(running) = state.running.get_mut(instance) {
            *running = running.saturating_sub(1);
            self.recorder.running(state.running.iter().sum());
        }
        state.parts.extend(parts);
        if again > 0 || state.is_done() {
            self.wake_all();
        }
        if state.saturated > 0 {
            self.slot.notify_all();
        }
        drop(state);
        self.deliver(ticket, answers, again);
    }

    /// Gives each of these instances a batch of its own to run past the queue; each answers on `done`. A closed
    /// queue gives none.
    pub(crate) fn send_errands(
        &self,
        instances: Range<usize>,
        batch: &Batch,
        done: &mpsc::Sender<Result<()>>,
    ) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return;
        }
        let asked = state.errands.iter_mut().enumerate().filter(|(instance, _)| instances.contains(instance));
        for (instance, errands) in asked {
            match state.standings.of(instance) {
                None => errands.push_back(Errand { batch: batch.clone(), done: done.clone() }),
                Some(why) => drop(done.send(Err(why.clone()))),
            }
        }
        self.wake_all();
    }

    /// Whether nothing waits and an instance does.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.queue.len() == 0 && state.parts.is_empty() && state.idle > 0
    }

    /// Refuses new requests from now on; what waits is still run.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake_all();
    }

    /// Refuses new requests, and what waits too, be it to run again. What runs is finished.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake_all();
        self.refuse_all(state, &Refusal::Closed);
    }

    /// Refuses everything that waits, be it to run again.
    pub(super) fn refuse_all(&self, mut state: MutexGuard<'_, State>, why: &Refusal) {
        let parts = std::mem::take(&mut state.parts);
        let tickets: Vec<_> = parts.iter().map(|part| part.ticket).collect();
        let waiting = parts.into_iter().flat_map(|part| part.messages).chain(state.queue.clear());
        let refused = waiting.map(|message| (message, why.clone())).collect();
        self.settle(state, refused);
        tickets.into_iter().for_each(|ticket| self.deliver(ticket, Vec::new(), 0));
    }

    fn next_batch(&self, state: &mut State, now: Instant) -> Option<Dispatch> {
        let Decision::Run(count, reason) = state.next(&self.policy, now) else { return None };
        let messages = state.queue.take(count);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        if let Some(order) = &self.order {
            lock(order).open(ticket);
        }
        Some(Dispatch { messages, stage: Stage::First, ticket, reason })
    }

    /// A part of a failed batch without those that have gone or are too late by now.
    fn still_wanted(
        &self,
        mut part: Dispatch,
        state: &State,
        now: Instant,
        refused: &mut Vec<Refused>,
    ) -> Option<Dispatch> {
        let least = state.estimate.least();
        for message in std::mem::take(&mut part.messages) {
            match () {
                () if message.is_cancelled() => refused.push((message, Refusal::Cancelled)),
                () if is_late(&message, now, least) => refused.push((message, Refusal::TooLate)),
                () => part.messages.push(message),
            }
        }
        if part.messages.is_empty() {
            self.deliver(part.ticket, Vec::new(), 0);
            return None;
        }
        Some(part)
    }

    /// Refuses those who left the middle of the queue. What they stood before may be a batch now.
    fn withdraw(&self, state: MutexGuard<'_, State>, refused: Vec<Refused>) {
        if !refused.is_empty() && state.queue.len() > 0 {
            self.wake_one(&state);
        }
        self.settle(state, refused);
    }

    /// Lets the lock go, then answers those refused.
    fn settle(&self, state: MutexGuard<'_, State>, refused: Vec<Refused>) {
        self.recorder.queue_depth(state.queue.len());
        drop(state);
        for (message, refusal) in refused {
            self.recorder.failure(refusal.reason(), message.received.elapsed());
            message.answer(Err(refusal.into()));
        }
    }

    fn deliver(&self, ticket: u64, answers: Vec<Answered>, again: usize) {
        let Some(order) = &self.order else {
            answers.into_iter().for_each(|(message, outcome)| message.answer(outcome));
            return;
        };
        // Sent under the lock: two batches that end at once must not mix their answers.
        let mut order = lock(order);
        let leaving = order.close(ticket, answers, again);
        leaving.into_iter().for_each(|(message, outcome)| message.answer(outcome));
    }

    fn wake_one(&self, state: &State) {
        if state.idle > 0 {
            self.work.notify_one();
        }
    }

    /// Whoever turns away from what waits wakes another one for it.
    fn leave_to_others(&self, state: &State) {
        if !state.parts.is_empty() || state.queue.len() > 0 {
            self.wake_one(state);
        }
    }

    /// Wakes every instance, with a session or without.
    fn wake_all(&self) {
        self.work.notify_all();
        self.without_session.notify_all();
    }

    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, until: Option<Duration>) -> MutexGuard<'a, State> {
        state.idle += 1;
        let mut state = sleep_on(&self.work, state, until);
        state.idle -= 1;
        state
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn sleep_on<'a>(
    signal: &Condvar,
    state: MutexGuard<'a, State>,
    until: Option<Duration>,
) -> MutexGuard<'a, State> {
    match until {
        None => signal.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(after) => signal.wait_timeout(state, after).unwrap_or_else(PoisonError::into_inner).0,
    }
}
