//! Trees as a file describes them, checked: every reference points at a node or leaf, and no walk is endless.

use crate::error::{OpError, Result};

/// What a branch node asks of its feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
}

/// Where a branch leads: a node, or a leaf by [`Next::LEAF`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next(pub(super) u32);

impl Next {
    const LEAF: u32 = 1 << 31;

    /// Node `index`.
    pub(super) fn node(index: usize) -> Result<Self> {
        fits(index).map(Self)
    }

    /// Leaf `index`.
    pub(super) fn leaf(index: usize) -> Result<Self> {
        fits(index).map(|index| Self(index | Self::LEAF))
    }

    /// The leaf, where it is one.
    pub(super) const fn as_leaf(self) -> Option<usize> {
        if self.0 & Self::LEAF == 0 { None } else { Some((self.0 & !Self::LEAF) as usize) }
    }
}

fn fits(index: usize) -> Result<u32> {
    let fits = u32::try_from(index).ok().filter(|&index| index < Next::LEAF);
    fits.ok_or_else(|| OpError::invalid("the ensemble has more nodes than this server allows"))
}

/// A node with two branches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    pub(super) test: Test,
    pub(super) feature: u32,
    pub(super) split: f64,
    /// Whether a missing value goes the way of `yes`.
    pub(super) missing_yes: bool,
    pub(super) yes: Next,
    pub(super) no: Next,
}

/// An ensemble.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) branches: Vec<Branch>,
    /// What each leaf adds: target and weight.
    pub(super) leaves: Vec<Vec<(u32, f64)>>,
    pub(super) roots: Vec<Next>,
    pub(super) targets: usize,
}

impl Raw {
    /// Checks what running relies on.
    ///
    /// # Errors
    /// `Invalid` for a reference out of range, a target out of range, or a cycle.
    pub(super) fn check(&self) -> Result<()> {
        let leads_nowhere = |next: Next| match next.as_leaf() {
            Some(leaf) => leaf >= self.leaves.len(),
            None => next.0 as usize >= self.branches.len(),
        };
        let nexts = self.branches.iter().flat_map(|b| [b.yes, b.no]).chain(self.roots.iter().copied());
        if nexts.into_iter().any(leads_nowhere) {
            return Err(OpError::invalid("a tree refers to a node that does not exist"));
        }
        let target = self.leaves.iter().flatten().map(|&(target, _)| target as usize).max();
        if target.is_some_and(|target| target >= self.targets) {
            return Err(OpError::invalid(format!("a leaf adds to a target beyond {}", self.targets)));
        }
        self.check_cycles()
    }

    /// The number of features that a row must have.
    pub(super) fn features(&self) -> usize {
        self.branches.iter().map(|branch| branch.feature as usize + 1).max().unwrap_or(0)
    }

    /// Walks all branches depth first; branches may meet again (set membership is written so), not close a ring.
    fn check_cycles(&self) -> Result<()> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut states = vec![NEW; self.branches.len()];
        let mut stack: Vec<(usize, bool)> = Vec::new();
        for root in (0..self.branches.len()).rev() {
            stack.push((root, false));
            while let Some((index, left)) = stack.pop() {
                if left {
                    states[index] = DONE;
                    continue;
                }
                if states[index] != NEW {
                    continue;
                }
                states[index] = OPEN;
                stack.push((index, true));
                let branch = &self.branches[index];
                for next in [branch.yes, branch.no].into_iter().filter(|next| next.as_leaf().is_none()) {
                    match states[next.0 as usize] {
                        OPEN => return Err(OpError::invalid("a tree has a cycle")),
                        NEW => stack.push((next.0 as usize, false)),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(yes: Next, no: Next) -> Branch {
        Branch { test: Test::Leq, feature: 0, split: 0.0, missing_yes: false, yes, no }
    }

    fn raw(branches: Vec<Branch>) -> Raw {
        let root = Next::node(0).unwrap();
        Raw { branches, leaves: vec![vec![(0, 1.0)]], roots: vec![root], targets: 1 }
    }

    #[test]
    fn endless_and_dangling_trees_are_refused() {
        let (leaf, node) = (Next::leaf(0).unwrap(), |i| Next::node(i).unwrap());
        assert!(raw(vec![branch(leaf, leaf)]).check().is_ok());
        assert!(raw(vec![branch(node(1), node(1)), branch(leaf, leaf)]).check().is_ok());
        assert!(raw(vec![branch(node(0), leaf)]).check().is_err());
        assert!(raw(vec![branch(leaf, node(1)), branch(leaf, node(0))]).check().is_err());
        assert!(raw(vec![branch(leaf, node(1))]).check().is_err());
        assert!(raw(vec![branch(leaf, Next::leaf(1).unwrap())]).check().is_err());
        assert!(Raw { targets: 0, ..raw(vec![branch(leaf, leaf)]) }.check().is_err());
    }
}
