//! Walks down many decision trees at once: of one tree by several rows, or of several trees by one row, so
//! that the walks' loads overlap. A step has no branch: a node's children lie side by side, and a leaf leads
//! to itself.

mod build;
#[cfg(test)]
mod tests;

pub use build::{Branch, Child};

/// Walks that go side by side.
const LANES: usize = 8;

/// A node of 8 bytes, so that a tree's first three levels share a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct Node {
    /// A feature up to this goes to `yes`, a greater one to the node after it. Infinite in a leaf.
    split: f32,
    feature: u16,
    /// The node's number within its tree; a leaf's own.
    yes: u16,
}

#[derive(Clone, Copy, Debug)]
struct Tree {
    /// The place of the root.
    first: usize,
    /// Steps from the root to the deepest leaf.
    depth: u32,
}

/// Trees whose every test is `feature <= split`. Invariants: every `yes` of a branch, and the node after it,
/// is a node of the same tree; every `feature` is below `features`; `leaves` is as long as `nodes`.
#[derive(Debug)]
pub struct Forest {
    nodes: Vec<Node>,
    /// The number of the leaf that each node is; 0 for branches.
    leaves: Vec<u32>,
    trees: Vec<Tree>,
    features: usize,
}

impl Forest {
    /// Calls `visit` with the row and the leaf of each row's walk down each tree; a row's trees in order.
    /// `None` where rows of `columns` have too few features. Rows must not hold NaN, whose walks end anywhere.
    pub fn walk(&self, rows: &[f32], columns: usize, mut visit: impl FnMut(usize, u32)) -> Option<()> {
        if columns < self.features.max(1) || !rows.len().is_multiple_of(columns) {
            return None;
        }
        let count = rows.len() / columns;
        let by_rows = count - count % LANES;
        for tree in &self.trees {
            for first in (0..by_rows).step_by(LANES) {
                let lanes: [usize; LANES] = std::array::from_fn(|lane| (first + lane) * columns);
                let ends = self.descend(rows, lanes, [*tree; LANES]);
                ends.iter().enumerate().for_each(|(lane, &leaf)| visit(first + lane, leaf));
            }
        }
        for row in by_rows..count {
            for trees in self.trees.chunks(LANES) {
                // The last trees are walked down more than once where there are too few.
                let lanes = std::array::from_fn(|lane| trees[lane.min(trees.len() - 1)]);
                let ends = self.descend(rows, [row * columns; LANES], lanes);
                ends.iter().take(trees.len()).for_each(|&leaf| visit(row, leaf));
            }
        }
        Some(())
    }

    /// The leaves of walks by the rows that begin at `rows` down `trees`. `features` holds at least
    /// `self.features` numbers from each of `rows` on.
    #[inline(always)]
    fn descend(&self, features: &[f32], rows: [usize; LANES], trees: [Tree; LANES]) -> [u32; LANES] {
        let mut at = [0usize; LANES];
        let depth = trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
        for _ in 0..depth {
            for lane in 0..LANES {
                // SAFETY: by the forest's invariant a walk stays among its tree's nodes.
                let node = unsafe { self.nodes.get_unchecked(trees[lane].first + at[lane]) };
                // SAFETY: a node's feature is below `self.features`, and the caller gives as many.
                let value = unsafe { *features.get_unchecked(rows[lane] + usize::from(node.feature)) };
                let no = usize::from(value > node.split);
                at[lane] = usize::from(node.yes) + no;
            }
        }
        std::array::from_fn(|lane| self.leaves.get(trees[lane].first + at[lane]).copied().unwrap_or(0))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.nodes.len() * (size_of::<Node>() + size_of::<u32>()) + self.trees.len() * size_of::<Tree>()
    }
}
