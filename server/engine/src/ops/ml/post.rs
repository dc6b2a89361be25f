//! What is done to the scores of a row last, and the second score of a model with two classes and one score.

use crate::error::{OpError, Result};

/// The transform that a model asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

/// How one score becomes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Second {
    /// It stays one.
    No,
    /// `[1 - score, score]`: the score is a probability.
    Complement,
    /// `[-score, score]`: the score is a margin.
    Opposite,
}

impl PostTransform {
    /// The transform of this name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        match name {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            "SOFTMAX_ZERO" => Ok(Self::SoftmaxZero),
            "PROBIT" => Ok(Self::Probit),
            other => Err(OpError::invalid(format!("post_transform '{other}' is none of ONNX-ML"))),
        }
    }

    /// Transforms the scores of one row, however many.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|v| *v = logistic(*v)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
            Self::Probit => scores.iter_mut().for_each(|v| *v = probit(*v)),
        }
    }

    /// Transforms the scores of one row; a single score becomes two as `second` says. Of two scores made so,
    /// only `LOGISTIC` transforms.
    pub(super) fn finish(self, scores: &mut Vec<f64>, second: Second) {
        if scores.len() != 1 {
            return self.apply(scores);
        }
        let score = scores[0];
        match (self, second) {
            (Self::Probit, Second::No) => scores[0] = probit(score),
            // ONNX Runtime leaves the second place as it finds it.
            (Self::Probit, _) => *scores = vec![probit(score), 0.0],
            (Self::Logistic, Second::Complement | Second::Opposite) => {
                *scores = vec![logistic(-score), logistic(score)];
            }
            (_, Second::Complement) => *scores = vec![1.0 - score, score],
            (_, Second::Opposite) => *scores = vec![-score, score],
            (_, Second::No) => {}
        }
    }
}

/// The logistic function.
pub(super) fn logistic(value: f64) -> f64 {
    let positive = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - positive } else { positive }
}

fn softmax(scores: &mut [f64]) {
    let max = scores.iter().copied().fold(f64::MIN, f64::max);
    scores.iter_mut().for_each(|v| *v = (*v - max).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|v| *v /= sum);
}

/// As [`softmax`], but a score of nought stays nought.
fn softmax_zero(scores: &mut [f64]) {
    const NOUGHT: f64 = 1e-7;
    let max = scores.iter().copied().fold(f64::MIN, f64::max);
    let mut sum = 0.0;
    for value in scores.iter_mut() {
        if value.abs() > NOUGHT {
            *value = (*value - max).exp();
            sum += *value;
        } else {
            *value *= (-max).exp();
        }
    }
    scores.iter_mut().for_each(|v| *v /= sum);
}

/// Winitzki's approximation in `f32`, which is what ONNX Runtime computes.
#[allow(clippy::cast_possible_truncation, clippy::approx_constant)]
fn probit(value: f64) -> f64 {
    const A: f32 = 0.147;
    let x = 2.0 * value as f32 - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (3.14159 * A) + 0.5 * log;
    let root = (-v + (v * v - 1.0 / A * log).sqrt()).sqrt();
    f64::from(std::f32::consts::SQRT_2 * if x < 0.0 { -root } else { root })
}
