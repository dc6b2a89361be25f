//! Lays trees out level by level.

use std::collections::VecDeque;

use super::{Forest, Node, Tree};

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// To the branch of this number.
    Branch(usize),
    /// To the leaf of this number.
    Leaf(u32),
}

/// A node that asks whether a feature is at most `split`.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// The feature's number.
    pub feature: usize,
    /// What it is compared with.
    pub split: f32,
    /// Where it goes up to the split.
    pub yes: Child,
    /// Where it goes above it.
    pub no: Child,
}

impl Forest {
    /// The trees that begin at `roots`; `None` where one has more nodes or features than the layout holds,
    /// or where all together have more than `most` nodes (branches that meet again count each time).
    pub fn new(roots: &[Child], branches: &[Branch], most: usize) -> Option<Self> {
        let mut forest = Self { nodes: Vec::new(), leaves: Vec::new(), trees: Vec::new(), features: 0 };
        for &root in roots {
            forest.push(root, branches, most)?;
        }
        Some(forest)
    }

    fn push(&mut self, root: Child, branches: &[Branch], most: usize) -> Option<()> {
        let first = self.nodes.len();
        let mut depth = 0;
        // What is still to be laid out, with its level, in the order of its places.
        let mut waiting = VecDeque::from([(root, 0)]);
        let mut reserved = 1usize;
        while let Some((child, level)) = waiting.pop_front() {
            if self.nodes.len() >= most {
                return None;
            }
            let own = self.nodes.len() - first;
            depth = depth.max(level);
            match child {
                Child::Leaf(leaf) => {
                    let yes = u16::try_from(own).ok()?;
                    self.nodes.push(Node { split: f32::INFINITY, feature: 0, yes });
                    self.leaves.push(leaf);
                }
                Child::Branch(index) => {
                    let Branch { feature, split, yes, no } = *branches.get(index)?;
                    let place = u16::try_from(reserved).ok()?;
                    reserved += 2;
                    self.nodes.push(Node { split, feature: u16::try_from(feature).ok()?, yes: place });
                    self.leaves.push(0);
                    self.features = self.features.max(feature + 1);
                    waiting.extend([(yes, level + 1), (no, level + 1)]);
                }
            }
        }
        self.trees.push(Tree { first, depth });
        Some(())
    }
}
