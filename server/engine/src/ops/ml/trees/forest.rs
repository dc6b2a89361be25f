//! An ensemble laid out to run: branch nodes in one array in the order in which walks meet them, leaves beside.
//!
//! Invariants, from [`Raw::check`]: every walk ends at a leaf, every leaf's targets are below `targets`, and
//! a row of at least `features` numbers is never read beyond its end.

use girandole_kernels::{
    pool,
    trees::{self, Child},
};

use super::{
    super::real::Real,
    raw::{Next, Raw, Test},
};
use crate::error::{OpError, Result};

/// Rows that one pass over the trees takes along, so that a tree's nodes are read from the cache.
const BLOCK: usize = 64;
/// Walks below which threads cost more than they give.
const PARALLEL: usize = 1 << 14;

#[derive(Debug)]
struct Branch<T> {
    split: T,
    feature: u32,
    yes: Next,
    no: Next,
    test: Test,
    missing_yes: bool,
}

/// How the trees' weights come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// A row's score for one target; `given` where any tree added to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score<T> {
    pub(super) value: T,
    pub(super) given: bool,
}

/// An ensemble in the precision `T`.
#[derive(Debug)]
pub(super) struct Forest<T> {
    branches: Vec<Branch<T>>,
    /// The end of each leaf's weights in `weights`.
    ends: Vec<u32>,
    weights: Vec<(u32, T)>,
    roots: Vec<Next>,
    pub(super) targets: usize,
    features: usize,
    /// The same trees for rows of `f32` without NaN, where their tests allow it.
    fast: Option<Fast>,
}

impl<T: Real> Forest<T> {
    /// Lays out a checked ensemble.
    pub(super) fn new(raw: &Raw) -> Self {
        let (places, order) = walk_order(raw);
        let moved = |next: Next| if next.as_leaf().is_some() { next } else { Next(places[next.0 as usize]) };
        let branches: Vec<_> = order
            .into_iter()
            .map(|i| &raw.branches[i as usize])
            .map(|b| Branch {
                split: T::of(b.split),
                feature: b.feature,
                yes: moved(b.yes),
                no: moved(b.no),
                test: b.test,
                missing_yes: b.missing_yes,
            })
            .collect();
        let mut weights = Vec::new();
        let ends = raw.leaves.iter().map(|leaf| {
            weights.extend(leaf.iter().map(|&(target, weight)| (target, T::of(weight))));
            u32::try_from(weights.len()).unwrap_or(u32::MAX)
        });
        let ends = ends.collect();
        let fast = T::narrow(&[]).and_then(|_| Fast::new(raw));
        let roots = raw.roots.iter().map(|&root| moved(root)).collect();
        let (targets, features) = (raw.targets, raw.features());
        Self { branches, ends, weights, roots, targets, features, fast }
    }

    pub(super) const fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Scores rows of `columns` features each and hands every row's scores, one for each target, to
    /// `finish` with the row's outputs, `width` of them in `out`.
    ///
    /// # Errors
    /// `Invalid` where the rows have too few features.
    pub(super) fn run<O: Send, L: Send>(
        &self,
        rows: &Rows<'_, T>,
        aggregate: Aggregate,
        out: Out<'_, O, L>,
        finish: impl Fn(&mut [Score<T>], &mut [O], &mut L) + Sync,
    ) -> Result<()> {
        if rows.columns < self.features {
            return Err(OpError::invalid(format!(
                "the trees read {} features, the rows have {}",
                self.features, rows.columns
            )));
        }
        if rows.columns == 0 || self.targets == 0 {
            return Err(OpError::invalid("expected at least one feature and one target"));
        }
        let block = |rows_in: &[T], out: &mut [O], labels: &mut [L]| {
            let mut scores = self.block(rows_in, rows.columns, aggregate);
            let each = scores.chunks_mut(self.targets).zip(out.chunks_mut(rows.width)).zip(labels);
            each.for_each(|((scores, out), label)| finish(scores, out, label));
        };
        let (features, columns) = (rows.data, rows.columns);
        let Out { values, labels } = out;
        if labels.len() * self.roots.len() >= PARALLEL && labels.len() > 1 {
            let size = labels.len().div_ceil(pool::threads()).clamp(1, BLOCK);
            pool::chunks2((labels, size), (values, size * rows.width), |i, labels, out| {
                let features = features.get(i * size * columns..).unwrap_or_default();
                block(&features[..(labels.len() * columns).min(features.len())], out, labels);
            });
        } else {
            let inputs = features.chunks(BLOCK * columns).zip(values.chunks_mut(BLOCK * rows.width));
            inputs.zip(labels.chunks_mut(BLOCK)).for_each(|((rows, out), labels)| block(rows, out, labels));
        }
        Ok(())
    }

    fn block(&self, rows: &[T], columns: usize, aggregate: Aggregate) -> Vec<Score<T>> {
        let nothing = Score { value: T::ZERO, given: false };
        let mut scores = vec![nothing; rows.len() / columns * self.targets];
        if self.fast_block(rows, columns, (aggregate, &mut scores)).is_some() {
            return scores;
        }
        for &root in &self.roots {
            for (row, scores) in rows.chunks_exact(columns).zip(scores.chunks_exact_mut(self.targets)) {
                for &(target, weight) in self.leaf(self.walk(root, row)) {
                    aggregate.add(&mut scores[target as usize], weight);
                }
            }
        }
        scores
    }

    fn leaf(&self, leaf: usize) -> &[(u32, T)] {
        let start = leaf.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.weights[start as usize..self.ends[leaf] as usize]
    }

    /// As [`Self::block`], by the fast trees; `None` where these rows need the others.
    fn fast_block(
        &self,
        rows: &[T],
        columns: usize,
        (aggregate, scores): (Aggregate, &mut [Score<T>]),
    ) -> Option<()> {
        let (fast, rows) = (self.fast.as_ref()?, T::narrow(rows)?);
        if rows.iter().any(|value| value.is_nan()) {
            return None;
        }
        if fast.single && self.targets == 1 && matches!(aggregate, Aggregate::Sum | Aggregate::Average) {
            return fast.forest.walk(rows, columns, |row, leaf| {
                let (score, (_, weight)) = (&mut scores[row], self.weights[leaf as usize]);
                score.value += weight;
                score.given = true;
            });
        }
        fast.forest.walk(rows, columns, |row, leaf| {
            for &(target, weight) in self.leaf(leaf as usize) {
                aggregate.add(&mut scores[row * self.targets + target as usize], weight);
            }
        })
    }

    fn walk(&self, mut next: Next, row: &[T]) -> usize {
        loop {
            if let Some(leaf) = next.as_leaf() {
                return leaf;
            }
            let branch = &self.branches[next.0 as usize];
            let value = row[branch.feature as usize];
            let yes = branch.test.holds(value, branch.split) || (branch.missing_yes && value.is_nan());
            next = if yes { branch.yes } else { branch.no };
        }
    }
}

/// The trees as the kernel walks them.
#[derive(Debug)]
struct Fast {
    forest: trees::Forest,
    /// Whether every leaf adds one weight, whose number is then the leaf's.
    single: bool,
}

impl Fast {
    /// `None` where a test is neither `<=` nor `<`, or the trees are too large for the kernel's layout.
    #[allow(clippy::cast_possible_truncation, reason = "the forest of `f32` rounds its splits")]
    fn new(raw: &Raw) -> Option<Self> {
        let child = |next: Next| match next.as_leaf() {
            Some(leaf) => u32::try_from(leaf).ok().map(Child::Leaf),
            None => Some(Child::Branch(next.0 as usize)),
        };
        let branch = |branch: &super::raw::Branch| {
            let split = branch.split as f32;
            let split = match branch.test {
                _ if split.is_nan() => return None,
                Test::Leq => split,
                // What is below a number is at most the one before it; nothing is below minus infinity.
                Test::Lt if split == f32::NEG_INFINITY => return None,
                Test::Lt => split.next_down(),
                _ => return None,
            };
            let feature = branch.feature as usize;
            Some(trees::Branch { feature, split, yes: child(branch.yes)?, no: child(branch.no)? })
        };
        let branches = raw.branches.iter().map(branch).collect::<Option<Vec<_>>>()?;
        let roots = raw.roots.iter().map(|&root| child(root)).collect::<Option<Vec<_>>>()?;
        let usual = raw.branches.len() + raw.leaves.len() + raw.roots.len();
        let forest = trees::Forest::new(&roots, &branches, usual.saturating_mul(2))?;
        Some(Self { forest, single: raw.leaves.iter().all(|leaf| leaf.len() == 1) })
    }
}

/// A feature matrix, and how many outputs a row has.
pub(super) struct Rows<'a, T> {
    pub(super) data: &'a [T],
    pub(super) columns: usize,
    pub(super) width: usize,
}

/// Where rows' outputs go.
pub(super) struct Out<'a, O, L> {
    pub(super) values: &'a mut [O],
    pub(super) labels: &'a mut [L],
}

impl Test {
    fn holds<T: Real>(self, value: T, split: T) -> bool {
        match self {
            Self::Leq => value <= split,
            Self::Lt => value < split,
            Self::Gte => value >= split,
            Self::Gt => value > split,
            Self::Eq => value == split,
            Self::Neq => value != split,
        }
    }
}

impl Aggregate {
    fn add<T: Real>(self, score: &mut Score<T>, weight: T) {
        let replace = match self {
            Self::Sum | Self::Average => {
                score.value += weight;
                score.given = true;
                return;
            }
            Self::Min => weight < score.value,
            Self::Max => weight > score.value,
        };
        if replace || !score.given {
            *score = Score { value: weight, given: true };
        }
    }
}

/// The branches in the order of a depth-first walk, yes before no: the place of each, and which stands where.
fn walk_order(raw: &Raw) -> (Vec<u32>, Vec<u32>) {
    let mut places = vec![u32::MAX; raw.branches.len()];
    let mut order = Vec::with_capacity(raw.branches.len());
    let mut stack = Vec::new();
    for &root in &raw.roots {
        stack.push(root);
        while let Some(next) = stack.pop() {
            let index = next.0 as usize;
            if next.as_leaf().is_some() || places[index] != u32::MAX {
                continue;
            }
            places[index] = u32::try_from(order.len()).unwrap_or(u32::MAX);
            order.push(next.0);
            stack.extend([raw.branches[index].no, raw.branches[index].yes]);
        }
    }
    (places, order)
}
