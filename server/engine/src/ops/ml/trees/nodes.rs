//! Reads the first generation of tree attributes (ONNX-ML 1 and 3): parallel lists over the nodes of all
//! trees, in which nodes go by (tree, node) numbers and leaves are listed apart.

use std::collections::HashMap;

use super::raw::{Branch, Next, Raw, Test};
use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
};

/// The names of the attributes that say what leaves add.
pub(super) struct LeafNames {
    pub(super) ids: &'static str,
    pub(super) trees: &'static str,
    pub(super) nodes: &'static str,
    pub(super) weights: &'static str,
    pub(super) weights_tensor: &'static str,
}

/// The ensemble of a node's attributes, checked, and whether it is of double precision.
pub(super) fn parse(node: &NodeDef<'_>, names: &LeafNames, targets: usize) -> Result<(Raw, bool)> {
    let lists = Lists::read(node)?;
    let (index, leaves) = lists.index()?;
    let mut raw = Raw { leaves: vec![Vec::new(); leaves], targets, ..Raw::default() };
    for i in 0..lists.len() {
        if lists.is_leaf(i) {
            continue;
        }
        let branch = lists.branch(i, &index)?;
        raw.branches.push(branch);
    }
    let mut previous = None;
    for (&tree, &id) in lists.trees.iter().zip(&lists.ids) {
        if previous != Some(tree) {
            raw.roots.push(find(&index, tree, id)?);
        }
        previous = Some(tree);
    }
    let double = weights(node, names, &index, &mut raw)? || lists.double;
    raw.check()?;
    Ok((raw, double))
}

/// Real numbers of an attribute that newer versions may give as a tensor; `true` where that is of doubles.
pub(super) fn reals(node: &NodeDef<'_>, list: &str, tensor: &str) -> Result<(Vec<f64>, bool)> {
    if let Some(tensor) = node.tensor(tensor)?.filter(|tensor| !tensor.is_empty()) {
        let double = tensor.elem() == crate::value::ElemType::F64;
        return Ok((super::super::real::Reals::<f64>::of(&tensor)?.to_vec(), double));
    }
    Ok((node.floats(list)?.unwrap_or_default().into_iter().map(f64::from).collect(), false))
}

type Index = HashMap<(i64, i64), Next>;

struct Lists {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<String>,
    splits: Vec<f64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    double: bool,
}

impl Lists {
    fn read(node: &NodeDef<'_>) -> Result<Self> {
        let ints = |name: &str| Ok::<_, OpError>(node.ints(name)?.unwrap_or_default());
        let (splits, double) = reals(node, "nodes_values", "nodes_values_as_tensor")?;
        let lists = Self {
            trees: ints("nodes_treeids")?,
            ids: ints("nodes_nodeids")?,
            features: ints("nodes_featureids")?,
            modes: node.strings("nodes_modes")?.unwrap_or_default(),
            splits,
            yes: ints("nodes_truenodeids")?,
            no: ints("nodes_falsenodeids")?,
            missing: ints("nodes_missing_value_tracks_true")?,
            double,
        };
        let lengths =
            [lists.ids.len(), lists.features.len(), lists.modes.len(), lists.splits.len(), lists.yes.len()];
        if lengths.iter().any(|&len| len != lists.len()) || lists.no.len() != lists.len() {
            return Err(OpError::invalid("the lists of tree nodes differ in length"));
        }
        Ok(lists)
    }

    const fn len(&self) -> usize {
        self.trees.len()
    }

    fn is_leaf(&self, i: usize) -> bool {
        self.modes[i] == "LEAF"
    }

    /// Where each (tree, node) went, and the number of leaves.
    fn index(&self) -> Result<(Index, usize)> {
        let (mut index, mut branches, mut leaves) = (HashMap::with_capacity(self.len()), 0, 0);
        for i in 0..self.len() {
            let counter = if self.is_leaf(i) { &mut leaves } else { &mut branches };
            let next = if self.is_leaf(i) { Next::leaf(*counter)? } else { Next::node(*counter)? };
            *counter += 1;
            if index.insert((self.trees[i], self.ids[i]), next).is_some() {
                let (tree, id) = (self.trees[i], self.ids[i]);
                return Err(OpError::invalid(format!("node {id} of tree {tree} is listed twice")));
            }
        }
        Ok((index, leaves))
    }

    fn branch(&self, i: usize, index: &Index) -> Result<Branch> {
        let tree = self.trees[i];
        let feature = u32::try_from(self.features[i]).ok().filter(|&f| f < u32::MAX);
        Ok(Branch {
            test: test(&self.modes[i])?,
            feature: feature
                .ok_or_else(|| OpError::invalid(format!("{} is no feature's number", self.features[i])))?,
            split: self.splits[i],
            missing_yes: self.missing.get(i).is_some_and(|&v| v != 0),
            yes: find(index, tree, self.yes[i])?,
            no: find(index, tree, self.no[i])?,
        })
    }
}

fn find(index: &Index, tree: i64, id: i64) -> Result<Next> {
    let found = index.get(&(tree, id)).copied();
    found.ok_or_else(|| OpError::invalid(format!("tree {tree} refers to node {id}, which does not exist")))
}

fn test(mode: &str) -> Result<Test> {
    match mode {
        "BRANCH_LEQ" => Ok(Test::Leq),
        "BRANCH_LT" => Ok(Test::Lt),
        "BRANCH_GTE" => Ok(Test::Gte),
        "BRANCH_GT" => Ok(Test::Gt),
        "BRANCH_EQ" => Ok(Test::Eq),
        "BRANCH_NEQ" => Ok(Test::Neq),
        other => Err(OpError::invalid(format!("node mode '{other}' is none of ONNX-ML"))),
    }
}

/// Fills in what the leaves add; weights of branch nodes have no effect.
fn weights(node: &NodeDef<'_>, names: &LeafNames, index: &Index, raw: &mut Raw) -> Result<bool> {
    let ints = |name: &str| Ok::<_, OpError>(node.ints(name)?.unwrap_or_default());
    let (targets, trees, nodes) = (ints(names.ids)?, ints(names.trees)?, ints(names.nodes)?);
    let (weights, double) = reals(node, names.weights, names.weights_tensor)?;
    if [trees.len(), nodes.len(), weights.len()].iter().any(|&len| len != targets.len()) {
        return Err(OpError::invalid("the lists of leaf weights differ in length"));
    }
    for (i, &target) in targets.iter().enumerate() {
        let target =
            u32::try_from(target).map_err(|_| OpError::invalid(format!("{target} is no target's number")))?;
        if let Some(leaf) = find(index, trees[i], nodes[i])?.as_leaf() {
            raw.leaves[leaf].push((target, weights[i]));
        }
    }
    Ok(double)
}
