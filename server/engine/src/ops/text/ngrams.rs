//! A set of n-grams, found item by item.

use std::{collections::HashMap, hash::Hash};

use crate::{
    error::{OpError, Result},
    value::Text,
};

/// N-grams as a tree: the children of a node are the items that may follow.
#[derive(Debug)]
pub(super) struct Ngrams<K> {
    nodes: Vec<Node<K>>,
}

#[derive(Debug)]
struct Node<K> {
    next: HashMap<K, usize>,
    /// The column that the n-gram ending here is counted in.
    column: Option<usize>,
}

/// Which n-grams are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) least: usize,
    pub(super) most: usize,
    /// The most items between two of an n-gram.
    pub(super) skips: usize,
}

impl<K: Hash + Eq + Clone> Ngrams<K> {
    /// The n-grams of `pool`, where those of length `i + 1` begin at `starts[i]`; `columns` is of all, also of
    /// those whose length is not counted.
    ///
    /// # Errors
    /// `Invalid` where the lists do not fit each other.
    pub(super) fn new(pool: &[K], starts: &[usize], columns: &[usize], lengths: Lengths) -> Result<Self> {
        let misfit = || OpError::invalid("pool, ngram_counts and ngram_indexes do not fit each other");
        let mut tree = Self { nodes: vec![Node { next: HashMap::new(), column: None }] };
        let mut columns = columns.iter();
        for (i, &start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(pool.len());
            let length = i + 1;
            let items = pool.get(start..end).ok_or_else(misfit)?;
            if !items.len().is_multiple_of(length) {
                return Err(misfit());
            }
            for ngram in items.chunks_exact(length) {
                let column = *columns.next().ok_or_else(misfit)?;
                if (lengths.least..=lengths.most).contains(&length) {
                    tree.insert(ngram, column);
                }
            }
        }
        Ok(tree)
    }

    fn insert(&mut self, ngram: &[K], column: usize) {
        let mut at = 0;
        for item in ngram {
            at = match self.nodes[at].next.get(item) {
                Some(&next) => next,
                None => {
                    let next = self.nodes.len();
                    self.nodes.push(Node { next: HashMap::new(), column: None });
                    self.nodes[at].next.insert(item.clone(), next);
                    next
                }
            };
        }
        self.nodes[at].column = Some(column);
    }

    /// Counts the n-grams of a row into their columns.
    pub(super) fn count(&self, row: &[K], lengths: Lengths, counts: &mut [f32]) {
        let mut least = lengths.least;
        // Items that are farther apart than the row is long are none.
        for distance in 1..=lengths.skips.saturating_add(1).min(row.len()) {
            for start in 0..row.len() {
                self.count_from(row.get(start..).unwrap_or_default(), distance, least, counts);
            }
            // Single items have no distance: they are counted once.
            if least == 1 {
                least = 2;
                if least > lengths.most {
                    break;
                }
            }
        }
    }

    fn count_from(&self, row: &[K], distance: usize, least: usize, counts: &mut [f32]) {
        let mut at = 0;
        for (i, item) in row.iter().step_by(distance).enumerate() {
            let Some(&next) = self.nodes[at].next.get(item) else { return };
            at = next;
            if let Some(column) = self.nodes[at].column.filter(|_| i + 1 >= least) {
                counts[column] += 1.0;
            }
        }
    }
}

/// N-grams of strings or of integers.
#[derive(Debug)]
pub(super) enum Pool {
    Texts(Ngrams<Text>),
    Ints(Ngrams<i64>),
}
