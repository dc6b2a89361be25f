//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`. Since opset 12; 13 adds bf16.
//!
//! Scores are `[N, C, places...]`, targets `[N, places...]`: minus the log-probability of each target's class,
//! times the class's weight. The mean is over the weights of the targets that count.

use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{Tensor, Value, checked_len},
};

use super::real::{self, elements, opt_elements, real};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("NegativeLogLikelihoodLoss", 12, |node| parse(node, Scores::LogProbabilities)),
    OpDef::onnx("SoftmaxCrossEntropyLoss", 12, |node| parse(node, Scores::Logits)),
];

/// What the first input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scores {
    LogProbabilities,
    /// The log-probabilities are their logarithmic softmax, and the second output.
    Logits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    None,
    Mean,
    Sum,
}

#[derive(Debug)]
struct Loss {
    scores: Scores,
    reduction: Reduction,
    /// A class whose targets do not count.
    ignored: Option<i64>,
}

fn parse(node: &NodeDef<'_>, scores: Scores) -> Result<Box<dyn Op>> {
    let reduction = match node.string_or("reduction", "mean")? {
        "none" => Reduction::None,
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        other => return Err(OpError::invalid(format!("reduction must be none, mean or sum, got '{other}'"))),
    };
    boxed(Loss { scores, reduction, ignored: node.int("ignore_index")? })
}

/// The losses of all targets and the weights that they carry.
struct Losses<T> {
    each: Vec<T>,
    weight: T,
}

impl Loss {
    fn run<T: Real>(&self, scores: &Tensor, targets: &Tensor, weights: Option<&Tensor>) -> Result<Outputs> {
        let (classes, places) = extents(scores.shape(), targets.shape())?;
        let mut log = elements::<T>(scores)?.to_vec();
        if self.scores == Scores::Logits {
            log_softmax(&mut log, classes, places);
        }
        let weights = opt_elements::<T>(weights)?;
        if let Some(came) = weights.as_ref().map(|w| w.len()).filter(|&len| len != classes) {
            return Err(OpError::invalid(format!(
                "expected a weight for each of {classes} classes, got {came}"
            )));
        }
        let losses = self.losses(&log, &targets.to_ints()?, (classes, places), weights.as_deref())?;
        let total = || losses.each.iter().copied().sum::<T>();
        let loss = match self.reduction {
            Reduction::None => real::tensor(scores.elem(), targets.shape(), losses.each)?,
            Reduction::Sum => real::tensor(scores.elem(), &[], vec![total()])?,
            Reduction::Mean => real::tensor(scores.elem(), &[], vec![total() / losses.weight])?,
        };
        let mut outputs: Outputs = smallvec![Value::Tensor(loss)];
        if self.scores == Scores::Logits {
            outputs.push(real::tensor(scores.elem(), scores.shape(), log)?.into());
        }
        Ok(outputs)
    }

    fn losses<T: Real>(
        &self,
        log: &[T],
        targets: &[i64],
        (classes, places): (usize, usize),
        weights: Option<&[T]>,
    ) -> Result<Losses<T>> {
        let mut losses = Losses { each: Vec::with_capacity(targets.len()), weight: T::zero() };
        for (i, &target) in targets.iter().enumerate() {
            if Some(target) == self.ignored {
                losses.each.push(T::zero());
                continue;
            }
            let class = usize::try_from(target)
                .ok()
                .filter(|&class| class < classes)
                .ok_or_else(|| OpError::invalid(format!("target {target} is none of {classes} classes")))?;
            let (batch, place) = (i / places, i % places);
            let weight = weights.map_or_else(T::one, |weights| weights[class]);
            losses.each.push(-log[(batch * classes + class) * places + place] * weight);
            losses.weight += weight;
        }
        Ok(losses)
    }
}

/// The number of classes, and of places of one class.
fn extents(scores: &[usize], targets: &[usize]) -> Result<(usize, usize)> {
    match (scores, targets) {
        ([n, classes, places @ ..], [batch, rest @ ..]) if n == batch && places == rest => {
            checked_len::<f64>(scores)?;
            Ok((*classes, places.iter().product()))
        }
        _ => Err(OpError::invalid(format!(
            "expected scores [N, C, places...] and targets [N, places...], got {scores:?} and {targets:?}"
        ))),
    }
}

/// The logarithmic softmax over the classes of `[N, classes, places]`.
fn log_softmax<T: Real>(scores: &mut [T], classes: usize, places: usize) {
    for batch in scores.chunks_exact_mut((classes * places).max(1)) {
        for place in 0..places {
            let line = batch[place..].iter().step_by(places);
            let max = line.clone().fold(T::neg_infinity(), |max, &v| max.max(v));
            let log = line.map(|&v| (v - max).exp()).sum::<T>().ln();
            batch[place..].iter_mut().step_by(places).for_each(|v| *v = *v - max - log);
        }
    }
}

impl Op for Loss {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = match self.reduction {
            Reduction::None => inputs.shape(1).cloned(),
            _ => Some(vec![]),
        };
        let log = Fact::tensor(inputs.elem(0), inputs.shape(0).cloned());
        Ok([Fact::tensor(inputs.elem(0), shape), log].into_iter().take(outputs).collect())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (scores, targets, weights) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.opt_tensor(2)?);
        real!(scores.elem(), T => self.run::<T>(scores, targets, weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(loss: &Loss, targets: Vec<i64>) -> Result<Vec<f32>> {
        let scores = Tensor::from_vec(vec![2, 2], vec![-0.5f32, -1.0, -2.0, -0.25])?;
        let targets = Tensor::from_vec(vec![2], targets)?;
        let weights = Tensor::from_vec(vec![2], vec![1.0f32, 3.0])?;
        loss.run::<f32>(&scores, &targets, Some(&weights))?[0].tensor()?.to_vec()
    }

    #[test]
    fn the_mean_is_by_the_weights_of_the_targets_that_count() {
        let loss = Loss { scores: Scores::LogProbabilities, reduction: Reduction::Mean, ignored: Some(-1) };
        assert_eq!(run(&loss, vec![0, 1]).unwrap(), [(0.5 + 3.0 * 0.25) / 4.0]);
        assert_eq!(run(&loss, vec![1, -1]).unwrap(), [1.0]);
    }

    #[test]
    fn a_target_that_is_no_class_is_an_error() {
        let loss = Loss { scores: Scores::Logits, reduction: Reduction::Sum, ignored: None };
        assert!(run(&loss, vec![2, 0]).unwrap_err().to_string().contains("target 2"));
        assert!(run(&loss, vec![-1, 0]).is_err());
    }
}
