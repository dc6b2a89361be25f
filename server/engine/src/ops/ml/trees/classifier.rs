//! `TreeEnsembleClassifier`: labels `[rows]` and scores `[rows, classes]` as `f32`. ONNX-ML 1 and 3.
//!
//! The specification leaves open what two classes with one weighted class mean; [`decide`] does as ONNX
//! Runtime does, quirks included, because converters of every library were tested against it.

use smallvec::smallvec;

use super::{
    super::{
        labels::{Label, Labels},
        post::{PostTransform, Second},
        real::{Real, Reals, matrix},
    },
    forest::{Aggregate, Forest, Out, Rows, Score},
    nodes::{self, LeafNames},
    score::Ensemble,
};
use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Tensor, Value, checked_len},
};

pub(super) const OPS: &[OpDef] = &[OpDef::ml("TreeEnsembleClassifier", 1, parse)];

const LEAVES: LeafNames = LeafNames {
    ids: "class_ids",
    trees: "class_treeids",
    nodes: "class_nodeids",
    weights: "class_weights",
    weights_tensor: "class_weights_as_tensor",
};

#[derive(Debug)]
struct Classifier {
    ensemble: Ensemble,
    labels: Labels,
    rule: Rule,
}

/// What turns a row's scores into a label and outputs.
#[derive(Debug)]
struct Rule {
    classes: usize,
    base: Vec<f64>,
    post: PostTransform,
    /// Two classes of which leaves name only one.
    binary: bool,
    all_positive: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let labels = Labels::parse(node, "classlabels_int64s", "classlabels_strings")?;
    let classes = labels.len();
    if classes == 0 {
        return Err(OpError::invalid("the classifier has no class labels"));
    }
    let ensemble = Ensemble::new(nodes::parse(node, &LEAVES, classes)?);
    let base = nodes::reals(node, "base_values", "base_values_as_tensor")?.0;
    let fits = if classes <= 2 { base.len() <= 2 } else { base.is_empty() || base.len() == classes };
    if !fits {
        return Err(OpError::invalid(format!("{} base values for {classes} classes", base.len())));
    }
    let rule = Rule {
        classes,
        base,
        post: PostTransform::parse(node.string_or("post_transform", "NONE")?)?,
        binary: classes == 2 && ensemble.used_targets() == 1,
        all_positive: ensemble.all_positive(),
    };
    boxed(Classifier { ensemble, labels, rule })
}

impl Op for Classifier {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(self.labels.facts(inputs, Some(self.rule.classes)))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        if self.ensemble.is_wide(input) {
            self.run(self.ensemble.wide(), input)
        } else {
            self.run(self.ensemble.narrow(), input)
        }
    }
}

impl Classifier {
    fn run<T: Real>(&self, forest: &Forest<T>, input: &Tensor) -> Result<Outputs> {
        let (rows, columns) = matrix(input)?;
        let data = Reals::<T>::of(input)?;
        let width = self.rule.classes;
        let mut values = vec![0f32; checked_len::<f32>(&[rows, width])?];
        let mut labels = vec![Label::Zero; rows];
        if rows > 0 {
            let out = Out { values: &mut values, labels: &mut labels };
            forest.run(
                &Rows { data: &data, columns, width },
                Aggregate::Sum,
                out,
                |scores, out, label| {
                    let mut row = Vec::with_capacity(scores.len());
                    *label = self.rule.finish(scores, &mut row);
                    #[allow(clippy::cast_possible_truncation)]
                    out.iter_mut().zip(row).for_each(|(out, value)| *out = value as f32);
                },
            )?;
        }
        let scores = Tensor::from_vec(&[rows, width][..], values)?;
        Ok(smallvec![Value::Tensor(self.labels.tensor(&labels)?), Value::Tensor(scores)])
    }
}

impl Rule {
    /// The row's label; its outputs go into `row`.
    fn finish<T: Real>(&self, scores: &[Score<T>], row: &mut Vec<f64>) -> Label {
        row.extend(scores.iter().map(|score| score.value.wide()));
        let (label, second) = match scores.len() {
            1 => {
                row[0] += self.base.first().copied().unwrap_or(0.0);
                self.decide(row[0])
            }
            2 => self.two(scores[1].given, row),
            _ => (self.many(scores, row), Second::No),
        };
        // A class that no tree scored counts nothing, base value or not.
        if row.len() > 1 && (scores.len() == 2 || self.base.is_empty()) {
            let unscored = row.iter_mut().zip(scores).filter(|(_, score)| !score.given);
            unscored.for_each(|(value, _)| *value = 0.0);
        }
        self.post.finish(row, second);
        label
    }

    fn many<T>(&self, scores: &[Score<T>], row: &mut [f64]) -> Label {
        row.iter_mut().zip(&self.base).for_each(|(score, base)| *score += base);
        let given = |i: usize| scores[i].given || !self.base.is_empty();
        let best =
            (0..row.len()).filter(|&i| given(i)).reduce(|best, i| if row[i] > row[best] { i } else { best });
        Label::Class(best.unwrap_or(0))
    }

    fn two(&self, second_given: bool, row: &mut Vec<f64>) -> (Label, Second) {
        let mut weight = if second_given { row[1] } else { row[0] };
        match self.base[..] {
            [_, base] if second_given => {
                row[1] = base + row[0];
                row[0] = -row[1];
                weight = row[1];
            }
            [first, second] => {
                row[0] += first;
                row[1] += second;
                weight = row[0];
            }
            [base] => {
                row[0] += base;
                if !second_given {
                    row.truncate(1);
                    weight = row[0];
                }
            }
            _ if !second_given => row.truncate(1),
            _ => {}
        }
        match self.decide(weight) {
            (label, Second::No) if self.base.is_empty() && !second_given => (label, Second::Opposite),
            decided => decided,
        }
    }

    /// The label of a model of two classes by the weight of the positive one.
    const fn decide(&self, weight: f64) -> (Label, Second) {
        match (self.binary, self.all_positive) {
            (true, true) => (Label::Class((weight > 0.5) as usize), Second::Complement),
            (true, false) => (Label::Class((weight > 0.0) as usize), Second::Opposite),
            (false, _) if weight > 0.0 => (Label::One, Second::No),
            (false, _) => (Label::Zero, Second::No),
        }
    }
}
