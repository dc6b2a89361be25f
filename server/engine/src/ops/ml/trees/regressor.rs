//! `TreeEnsembleRegressor`: sums (or averages, least, greatest) of the weights that trees give each target.
//! ONNX-ML 1 and 3; outputs are `f32` whatever the input.

use super::{
    super::{labels::rows, post::PostTransform},
    forest::Aggregate,
    nodes::{self, LeafNames},
    score::{Ensemble, Regression},
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

pub(super) const OPS: &[OpDef] = &[OpDef::ml("TreeEnsembleRegressor", 1, parse)];

const LEAVES: LeafNames = LeafNames {
    ids: "target_ids",
    trees: "target_treeids",
    nodes: "target_nodeids",
    weights: "target_weights",
    weights_tensor: "target_weights_as_tensor",
};

#[derive(Debug)]
struct Regressor(Regression);

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let targets = usize::try_from(node.int_or("n_targets", 0)?).ok().filter(|&n| n > 0);
    let targets = targets.ok_or_else(|| OpError::invalid("n_targets must be above 0"))?;
    let aggregate = match node.string_or("aggregate_function", "SUM")? {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(OpError::invalid(format!("aggregate_function '{other}' is none of ONNX-ML"))),
    };
    let regression = Regression {
        ensemble: Ensemble::new(nodes::parse(node, &LEAVES, targets)?),
        aggregate,
        post: PostTransform::parse(node.string_or("post_transform", "NONE")?)?,
        base: nodes::reals(node, "base_values", "base_values_as_tensor")?.0,
    };
    boxed(Regressor(regression.check()?))
}

impl Op for Regressor {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = vec![rows(inputs), SymDim::Known(self.0.targets())];
        Ok(vec![Fact::tensor(Some(ElemType::F32), Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let scores = self.0.run(inputs.tensor(0)?)?;
        if scores.elem() == ElemType::F32 {
            return one(scores);
        }
        #[allow(clippy::cast_possible_truncation)]
        let narrow = scores.view::<f64>()?.iter().map(|&v| v as f32).collect();
        one(Tensor::from_vec(scores.shape().clone(), narrow)?)
    }
}
