//! Answers in the order of their batches, for models with `preserve_ordering`.
//!
//! Invariant: a batch's answers leave only when every batch taken before it has left. A batch that failed and
//! runs again in parts has left when its last part has.

use std::collections::BTreeMap;

/// Holds answers of type `T` back until it is their turn.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    open: BTreeMap<u64, Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    parts: usize,
    answers: Vec<T>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { open: BTreeMap::new() }
    }
}

impl<T> InOrder<T> {
    /// The batch with this ticket was taken. Tickets ascend.
    pub(crate) fn open(&mut self, ticket: u64) {
        self.open.insert(ticket, Held { parts: 1, answers: Vec::new() });
    }

    /// A part of the batch has ended with these answers and left `again` parts to be run. What may leave now.
    pub(crate) fn close(&mut self, ticket: u64, answers: Vec<T>, again: usize) -> Vec<T> {
        let Some(held) = self.open.get_mut(&ticket) else { return answers };
        held.answers.extend(answers);
        held.parts = (held.parts + again).saturating_sub(1);
        let mut leaving = Vec::new();
        while let Some(first) = self.open.first_entry().filter(|first| first.get().parts == 0) {
            leaving.extend(first.remove().answers);
        }
        leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let mut order = InOrder::default();
        (0..3).for_each(|ticket| order.open(ticket));
        assert!(order.close(1, vec!["b"], 0).is_empty());
        assert_eq!(order.close(0, vec!["a"], 0), ["a", "b"]);
        assert_eq!(order.close(2, vec!["c"], 0), ["c"]);
    }

    #[test]
    fn parts_that_run_again_hold_their_batch_open() {
        let mut order = InOrder::default();
        (0..2).for_each(|ticket| order.open(ticket));
        assert!(order.close(0, vec![], 2).is_empty());
        assert!(order.close(1, vec!["c"], 0).is_empty());
        assert!(order.close(0, vec!["b"], 0).is_empty());
        assert_eq!(order.close(0, vec!["a"], 0), ["b", "a", "c"]);
    }
}
