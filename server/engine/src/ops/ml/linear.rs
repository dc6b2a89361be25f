//! `LinearClassifier` and `LinearRegressor`: one product with the coefficients. ONNX-ML 1.

use smallvec::smallvec;

use super::{
    labels::{Label, Labels, rows},
    post::{PostTransform, Second},
    real::{Reals, matrix},
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor, Value, checked_len},
};

pub(super) const OPS: &[OpDef] =
    &[OpDef::ml("LinearClassifier", 1, parse_classifier), OpDef::ml("LinearRegressor", 1, parse_regressor)];

/// Rows of coefficients, one for each target, and what is added.
#[derive(Debug)]
struct Weights {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    targets: usize,
}

impl Weights {
    /// The scores `[rows, targets]` of a feature matrix.
    fn scores(&self, input: &Tensor) -> Result<(usize, Vec<f32>)> {
        let (rows, columns) = matrix(input)?;
        if self.targets.checked_mul(columns) != Some(self.coefficients.len()) || columns == 0 {
            return Err(OpError::invalid(format!(
                "{} coefficients do not fit {} targets of {columns} features",
                self.coefficients.len(),
                self.targets
            )));
        }
        let data = Reals::<f32>::of(input)?;
        let mut scores = Vec::with_capacity(checked_len::<f32>(&[rows, self.targets])?);
        for row in data.chunks_exact(columns) {
            for (target, weights) in self.coefficients.chunks_exact(columns).enumerate() {
                let dot: f32 = row.iter().zip(weights).map(|(x, w)| x * w).sum();
                scores.push(dot + self.intercepts.get(target).copied().unwrap_or(0.0));
            }
        }
        Ok((rows, scores))
    }
}

/// Transforms each row of `scores` and gives the rows' new length.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn finish_rows(
    scores: &[f32],
    columns: usize,
    post: PostTransform,
    second: Second,
) -> (Vec<f32>, usize) {
    let (mut out, mut width) = (Vec::with_capacity(scores.len()), columns);
    let mut row = Vec::with_capacity(columns + 1);
    for scores in scores.chunks_exact(columns.max(1)) {
        row.clear();
        row.extend(scores.iter().map(|&v| f64::from(v)));
        post.finish(&mut row, second);
        width = row.len();
        out.extend(row.iter().map(|&v| v as f32));
    }
    (out, width)
}

#[derive(Debug)]
struct Regressor {
    weights: Weights,
    post: PostTransform,
}

fn parse_regressor(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let targets = usize::try_from(node.int_or("targets", 1)?).ok().filter(|&n| n > 0);
    let targets = targets.ok_or_else(|| OpError::invalid("targets must be above 0"))?;
    let coefficients = node.floats("coefficients")?.unwrap_or_default();
    let intercepts = node.floats("intercepts")?.filter(|all| all.len() == targets).unwrap_or_default();
    let post = PostTransform::parse(node.string_or("post_transform", "NONE")?)?;
    boxed(Regressor { weights: Weights { coefficients, intercepts, targets }, post })
}

impl Op for Regressor {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = vec![rows(inputs), SymDim::Known(self.weights.targets)];
        Ok(vec![Fact::tensor(Some(ElemType::F32), Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (rows, scores) = self.weights.scores(inputs.tensor(0)?)?;
        let (scores, _) = finish_rows(&scores, self.weights.targets, self.post, Second::No);
        one(Tensor::from_vec(&[rows, self.weights.targets][..], scores)?)
    }
}

#[derive(Debug)]
struct Classifier {
    weights: Weights,
    labels: Labels,
    post: PostTransform,
}

fn parse_classifier(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let coefficients = node.floats("coefficients")?.unwrap_or_default();
    let intercepts = node.floats("intercepts")?.unwrap_or_default();
    let targets = intercepts.len();
    let labels = Labels::parse(node, "classlabels_ints", "classlabels_strings")?;
    if targets == 0 || (targets > 1 && labels.len() < targets) {
        return Err(OpError::invalid(format!("{} labels for {targets} intercepts", labels.len())));
    }
    let post = PostTransform::parse(node.string_or("post_transform", "NONE")?)?;
    boxed(Classifier { weights: Weights { coefficients, intercepts, targets }, labels, post })
}

impl Classifier {
    fn second(&self) -> Second {
        if self.weights.targets == 1 && self.labels.len() == 2 { Second::Complement } else { Second::No }
    }

    fn label(&self, scores: &[f32]) -> Label {
        match (scores, self.labels.len()) {
            ([score], 2) => Label::Class(usize::from(*score > 0.0)),
            ([score], _) if *score > 0.0 => Label::One,
            ([_], _) => Label::Zero,
            _ => Label::Class(first_max(scores)),
        }
    }
}

/// The place of the first of the greatest.
pub(super) fn first_max(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best })
}

impl Op for Classifier {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let two = self.second() == Second::Complement;
        Ok(self.labels.facts(inputs, Some(if two { 2 } else { self.weights.targets })))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (rows, scores) = self.weights.scores(inputs.tensor(0)?)?;
        let labels: Vec<_> = scores.chunks_exact(self.weights.targets).map(|row| self.label(row)).collect();
        let (scores, width) = finish_rows(&scores, self.weights.targets, self.post, self.second());
        let scores = Tensor::from_vec(&[rows, width][..], scores)?;
        Ok(smallvec![Value::Tensor(self.labels.tensor(&labels)?), Value::Tensor(scores)])
    }
}
