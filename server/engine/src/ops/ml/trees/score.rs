//! A forest in the precision that the input calls for, and how scores become outputs.

use std::sync::OnceLock;

use super::{
    super::{post::PostTransform, real::Reals},
    forest::{Aggregate, Forest, Score},
    raw::Raw,
};
use crate::{
    error::{OpError, Result},
    value::{ElemType, Tensor},
};

/// An ensemble that runs in `f32`, or in `f64` where the input or the model is of doubles.
#[derive(Debug)]
pub(super) struct Ensemble {
    raw: Raw,
    double: bool,
    narrow: OnceLock<Forest<f32>>,
    wide: OnceLock<Forest<f64>>,
}

impl Ensemble {
    pub(super) fn new((raw, double): (Raw, bool)) -> Self {
        Self { raw, double, narrow: OnceLock::new(), wide: OnceLock::new() }
    }

    /// Whether `input` runs in `f64`.
    pub(super) fn is_wide(&self, input: &Tensor) -> bool {
        self.double || input.elem() == ElemType::F64
    }

    pub(super) fn narrow(&self) -> &Forest<f32> {
        self.narrow.get_or_init(|| Forest::new(&self.raw))
    }

    pub(super) fn wide(&self) -> &Forest<f64> {
        self.wide.get_or_init(|| Forest::new(&self.raw))
    }

    /// The targets that leaves add to.
    pub(super) fn used_targets(&self) -> usize {
        let mut used = vec![false; self.raw.targets];
        self.raw.leaves.iter().flatten().for_each(|&(target, _)| used[target as usize] = true);
        used.into_iter().filter(|&used| used).count()
    }

    /// Whether no leaf takes away.
    pub(super) fn all_positive(&self) -> bool {
        self.raw.leaves.iter().flatten().all(|&(_, weight)| weight >= 0.0)
    }
}

/// How the scores of a regression become outputs.
#[derive(Debug)]
pub(super) struct Regression {
    pub(super) ensemble: Ensemble,
    pub(super) aggregate: Aggregate,
    pub(super) post: PostTransform,
    pub(super) base: Vec<f64>,
}

impl Regression {
    /// `Invalid` where the base values do not fit the targets.
    pub(super) fn check(self) -> Result<Self> {
        let (base, targets) = (self.base.len(), self.ensemble.raw.targets);
        if base != 0 && base != targets {
            return Err(OpError::invalid(format!("{base} base values for {targets} targets")));
        }
        Ok(self)
    }

    /// The number of targets.
    pub(super) const fn targets(&self) -> usize {
        self.ensemble.raw.targets
    }

    /// Runs on `[rows, features]` and gives `[rows, targets]` of `f32` or, in doubles, of `f64`.
    pub(super) fn run(&self, input: &Tensor) -> Result<Tensor> {
        if self.ensemble.is_wide(input) {
            self.run_in(self.ensemble.wide(), input)
        } else {
            self.run_in(self.ensemble.narrow(), input)
        }
    }

    fn run_in<T: super::super::real::Real>(&self, forest: &Forest<T>, input: &Tensor) -> Result<Tensor> {
        let (rows, columns) = super::super::real::matrix(input)?;
        let data = Reals::<T>::of(input)?;
        let width = forest.targets;
        let mut values = vec![T::ZERO; crate::value::checked_len::<T>(&[rows, width])?];
        let mut labels = vec![(); rows];
        if rows > 0 {
            let out = super::forest::Out { values: &mut values, labels: &mut labels };
            let trees = forest.trees();
            forest.run(
                &super::forest::Rows { data: &data, columns, width },
                self.aggregate,
                out,
                |scores, out, ()| {
                    self.finish(scores, out, trees);
                },
            )?;
        }
        Tensor::from_vec(&[rows, width][..], values)
    }

    fn finish<T: super::super::real::Real>(&self, scores: &[Score<T>], out: &mut [T], trees: usize) {
        #[allow(clippy::cast_precision_loss)]
        let trees = if self.aggregate == Aggregate::Average { trees as f64 } else { 1.0 };
        let base = |i: usize| self.base.get(i).copied().unwrap_or(0.0);
        // ONNX Runtime transforms a single target by PROBIT only.
        if let ([score], [out]) = (scores, &mut *out) {
            let mut value = [score.value.wide() / trees + base(0)];
            if self.post == PostTransform::Probit {
                self.post.apply(&mut value);
            }
            *out = T::of(value[0]);
            return;
        }
        let mut row: Vec<f64> = scores
            .iter()
            .enumerate()
            .map(|(i, s)| if s.given { s.value.wide() / trees + base(i) } else { 0.0 })
            .collect();
        self.post.apply(&mut row);
        out.iter_mut().zip(row).for_each(|(out, value)| *out = T::of(value));
    }
}
