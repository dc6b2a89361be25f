//! The messages of one priority: those in time, and behind them the delayed.
//!
//! Invariant: both ascend by when they were put there, those in time by number too, the delayed not; `rows` counts the
//! rows of all.

use std::collections::VecDeque;

use super::Refused;
use crate::batcher::{error::Refusal, message::Message};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Level {
    in_time: VecDeque<Message>,
    delayed: VecDeque<Message>,
    /// Rows of all of them.
    pub(super) rows: usize,
}

/// What becomes of a waiting message.
pub(super) enum Fate {
    Stay,
    Delay,
    Refuse(Refusal),
}

impl Level {
    pub(super) fn push(&mut self, message: Message) {
        self.rows += message.rows;
        self.in_time.push_back(message);
    }

    /// Moves the first messages that fit the first one taken, until `count` are.
    pub(super) fn take(&mut self, count: usize, taken: &mut Vec<Message>) {
        let before = taken.len();
        take_fitting(&mut self.in_time, count, taken);
        take_fitting(&mut self.delayed, count, taken);
        self.rows -= taken.iter().skip(before).map(|message| message.rows).sum::<usize>();
    }

    pub(super) fn into_messages(self) -> impl Iterator<Item = Message> {
        self.in_time.into_iter().chain(self.delayed)
    }

    pub(super) fn len(&self) -> usize {
        self.in_time.len() + self.delayed.len()
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.in_time.iter().chain(&self.delayed)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Message> {
        let removed = match self.in_time.binary_search_by_key(&number, |message| message.number) {
            Ok(at) => self.in_time.remove(at),
            Err(_) => {
                let at = self.delayed.iter().position(|message| message.number == number)?;
                self.delayed.remove(at)
            }
        }?;
        self.rows -= removed.rows;
        Some(removed)
    }

    pub(super) fn sweep(&mut self, fate: impl Fn(&Message) -> Fate, refused: &mut Vec<Refused>) {
        let in_time = std::mem::take(&mut self.in_time);
        let delayed = std::mem::take(&mut self.delayed);
        let waited = delayed.into_iter().map(|message| (message, true));
        // The delayed come first, so that those delayed now line up behind them.
        for (mut message, late) in waited.chain(in_time.into_iter().map(|message| (message, false))) {
            match fate(&message) {
                Fate::Refuse(refusal) => {
                    self.rows -= message.rows;
                    refused.push((message, refusal));
                }
                Fate::Stay if !late => self.in_time.push_back(message),
                Fate::Stay | Fate::Delay => {
                    message.expires = None;
                    self.delayed.push_back(message);
                }
            }
        }
    }
}

/// Moves the first messages that fit the first one taken, until `count` are.
fn take_fitting(queue: &mut VecDeque<Message>, count: usize, taken: &mut Vec<Message>) {
    let mut at = 0;
    while taken.len() < count {
        let Some(message) = queue.get(at) else { return };
        if taken.first().is_some_and(|first| !first.fits(message)) {
            at += 1;
        } else {
            taken.extend(queue.remove(at));
        }
    }
}
