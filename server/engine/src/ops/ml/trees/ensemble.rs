//! `TreeEnsemble` (ONNX-ML 5): trees by node numbers, with set membership; output in the input's type.
//!
//! A membership node becomes a chain of equality nodes with one common yes branch.

use super::{
    super::{labels::rows, post::PostTransform, real::Reals},
    forest::Aggregate,
    raw::{Branch, Next, Raw, Test},
    score::{Ensemble, Regression},
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

pub(super) const OPS: &[OpDef] = &[OpDef::ml("TreeEnsemble", 5, parse)];

#[derive(Debug)]
struct TreeEnsemble(Regression);

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let targets = usize::try_from(node.int_or("n_targets", 0)?).ok().filter(|&n| n > 0);
    let targets = targets.ok_or_else(|| OpError::invalid("n_targets must be above 0"))?;
    let aggregate = match node.int_or("aggregate_function", 1)? {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(OpError::invalid(format!("aggregate_function {other} is none of ONNX-ML"))),
    };
    let post = match node.int_or("post_transform", 0)? {
        0 => PostTransform::None,
        1 => PostTransform::Softmax,
        2 => PostTransform::Logistic,
        3 => PostTransform::SoftmaxZero,
        4 => PostTransform::Probit,
        other => return Err(OpError::invalid(format!("post_transform {other} is none of ONNX-ML"))),
    };
    let lists = Lists::read(node)?;
    let double = node.tensor("leaf_weights")?.is_some_and(|t| t.elem() == ElemType::F64);
    let ensemble = Ensemble::new((lists.raw(targets)?, double));
    boxed(TreeEnsemble(Regression { ensemble, aggregate, post, base: Vec::new() }.check()?))
}

struct Lists {
    modes: Vec<i64>,
    splits: Vec<f64>,
    features: Vec<i64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    yes_leaf: Vec<i64>,
    no_leaf: Vec<i64>,
    missing: Vec<i64>,
    roots: Vec<i64>,
    leaf_targets: Vec<i64>,
    leaf_weights: Vec<f64>,
    members: Vec<f64>,
}

impl Lists {
    fn read(node: &NodeDef<'_>) -> Result<Self> {
        let ints = |name: &str| Ok::<_, OpError>(node.ints(name)?.unwrap_or_default());
        let reals = |name: &str| match node.tensor(name)? {
            Some(tensor) => Ok(Reals::<f64>::of(&tensor)?.to_vec()),
            None => Ok::<_, OpError>(Vec::new()),
        };
        let lists = Self {
            modes: node.tensor("nodes_modes")?.map(|modes| modes.to_ints()).transpose()?.unwrap_or_default(),
            splits: reals("nodes_splits")?,
            features: ints("nodes_featureids")?,
            yes: ints("nodes_truenodeids")?,
            no: ints("nodes_falsenodeids")?,
            yes_leaf: ints("nodes_trueleafs")?,
            no_leaf: ints("nodes_falseleafs")?,
            missing: ints("nodes_missing_value_tracks_true")?,
            roots: ints("tree_roots")?,
            leaf_targets: ints("leaf_targetids")?,
            leaf_weights: reals("leaf_weights")?,
            members: reals("membership_values")?,
        };
        let nodes = lists.modes.len();
        let lengths = [lists.splits.len(), lists.features.len(), lists.yes.len(), lists.no.len()];
        let leaf_lengths = [lists.yes_leaf.len(), lists.no_leaf.len()];
        if lengths.iter().chain(&leaf_lengths).any(|&len| len != nodes) {
            return Err(OpError::invalid("the lists of tree nodes differ in length"));
        }
        if lists.leaf_targets.len() != lists.leaf_weights.len() {
            return Err(OpError::invalid("the lists of leaves differ in length"));
        }
        Ok(lists)
    }

    fn raw(&self, targets: usize) -> Result<Raw> {
        let mut raw = Raw { targets, leaves: self.leaves()?, ..Raw::default() };
        let mut sets = self.members.split(|member| member.is_nan());
        // The chains of membership nodes stand behind all others, so that those keep their numbers.
        let mut chains = Vec::new();
        for i in 0..self.modes.len() {
            let branch = self.branch(i)?;
            if self.modes[i] != MEMBER {
                raw.branches.push(branch);
                continue;
            }
            let set = sets.next().filter(|set| !set.is_empty());
            let set = set.ok_or_else(|| OpError::invalid("a membership node has no members"))?;
            let first = self.modes.len() + chains.len();
            chains.extend((1..set.len()).map(|k| Branch { split: set[k], ..branch }));
            let last = self.modes.len() + chains.len();
            for (k, link) in chains[first - self.modes.len()..].iter_mut().enumerate() {
                let after = first + k + 1;
                link.no = if after < last { Next::node(after)? } else { branch.no };
            }
            let no = if first < last { Next::node(first)? } else { branch.no };
            raw.branches.push(Branch { split: set[0], no, ..branch });
        }
        raw.branches.extend(chains);
        raw.roots = self.roots.iter().map(|&root| self.root(root)).collect::<Result<_>>()?;
        raw.check()?;
        Ok(raw)
    }

    fn leaves(&self) -> Result<Vec<Vec<(u32, f64)>>> {
        let leaves = self.leaf_targets.iter().zip(&self.leaf_weights);
        leaves.map(|(&target, &weight)| Ok(vec![(number(target)?, weight)])).collect()
    }

    fn branch(&self, i: usize) -> Result<Branch> {
        let test = match self.modes[i] {
            0 => Test::Leq,
            1 => Test::Lt,
            2 => Test::Gte,
            3 => Test::Gt,
            4 | MEMBER => Test::Eq,
            5 => Test::Neq,
            other => return Err(OpError::invalid(format!("node mode {other} is none of ONNX-ML"))),
        };
        Ok(Branch {
            test,
            feature: number(self.features[i])?,
            split: self.splits[i],
            missing_yes: self.missing.get(i).is_some_and(|&v| v != 0),
            yes: next(self.yes[i], self.yes_leaf[i])?,
            no: next(self.no[i], self.no_leaf[i])?,
        })
    }

    /// A root whose two branches are one leaf stands for a tree of that leaf alone.
    fn root(&self, root: i64) -> Result<Next> {
        let index = number(root)? as usize;
        let list = |list: &[i64]| list.get(index).copied();
        let alone = list(&self.yes_leaf) == Some(1) && list(&self.no_leaf) == Some(1);
        match (alone, list(&self.yes), list(&self.no)) {
            (true, Some(yes), Some(no)) if yes == no => next(yes, 1),
            _ => Next::node(index),
        }
    }
}

const MEMBER: i64 = 6;

fn number(value: i64) -> Result<u32> {
    let number = u32::try_from(value).ok().filter(|&number| number < u32::MAX);
    number.ok_or_else(|| OpError::invalid(format!("{value} is no number of a node, feature or target")))
}

fn next(index: i64, leaf: i64) -> Result<Next> {
    let index = number(index)? as usize;
    if leaf == 0 { Next::node(index) } else { Next::leaf(index) }
}

impl Op for TreeEnsemble {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = vec![rows(inputs), SymDim::Known(self.0.targets())];
        Ok(vec![Fact::tensor(inputs.elem(0), Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let scores = self.0.run(input)?;
        if scores.elem() == input.elem() {
            return one(scores);
        }
        let wide = Reals::<f64>::of(&scores)?;
        #[allow(clippy::cast_possible_truncation)]
        one(match input.elem() {
            ElemType::F32 => {
                Tensor::from_vec(scores.shape().clone(), wide.iter().map(|&v| v as f32).collect())?
            }
            ElemType::F16 => Tensor::from_vec(
                scores.shape().clone(),
                wide.iter().map(|&v| half::f16::from_f64(v)).collect(),
            )?,
            other => return Err(OpError::invalid(format!("expected floats, got {other}"))),
        })
    }
}
