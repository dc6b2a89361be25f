//! `NonMaxSuppression`, since opset 10: the best boxes of each class that do not overlap better ones.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

use super::shapes::one_fact;

pub(super) const OPS: &[OpDef] =
    &[OpDef::onnx("NonMaxSuppression", 10, |node| boxed(NonMaxSuppression::parse(node)?))];

#[derive(Debug)]
struct NonMaxSuppression {
    /// Whether a box is its centre, width and height, and not two corners.
    centers: bool,
}

impl NonMaxSuppression {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(Self { centers: node.flag("center_point_box", false)? })
    }

    fn area(&self, corners: [f32; 4]) -> Area {
        let [a, b, c, d] = corners;
        if self.centers {
            return Area { x: (a - c / 2.0, a + c / 2.0), y: (b - d / 2.0, b + d / 2.0) };
        }
        Area { x: (b.min(d), b.max(d)), y: (a.min(c), a.max(c)) }
    }
}

/// A box by its bounds.
#[derive(Clone, Copy, Debug)]
struct Area {
    x: (f32, f32),
    y: (f32, f32),
}

impl Area {
    fn size(&self) -> f32 {
        (self.x.1 - self.x.0) * (self.y.1 - self.y.0)
    }

    /// Whether the two share more than `threshold` of their union.
    fn overlaps(&self, other: &Self, threshold: f32) -> bool {
        let shared = |a: (f32, f32), b: (f32, f32)| a.1.min(b.1) - a.0.max(b.0);
        let (width, height) = (shared(self.x, other.x), shared(self.y, other.y));
        let (a, b) = (self.size(), other.size());
        if width <= 0.0 || height <= 0.0 || a <= 0.0 || b <= 0.0 {
            return false;
        }
        let both = width * height;
        both / (a + b - both) > threshold
    }
}

/// What the optional inputs say.
struct Limits {
    most: usize,
    overlap: f32,
    score: Option<f32>,
}

impl Limits {
    fn new(inputs: &Inputs) -> Result<Self> {
        let float = |i| inputs.opt_tensor(i)?.map(Tensor::to_scalar::<f32>).transpose();
        let most = inputs.opt_tensor(2)?.map(Tensor::to_scalar::<i64>).transpose()?.unwrap_or(0);
        let overlap = float(3)?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&overlap) {
            return Err(OpError::invalid(format!(
                "the overlap threshold must be within 0 and 1, got {overlap}"
            )));
        }
        Ok(Self { most: usize::try_from(most).unwrap_or(0), overlap, score: float(4)? })
    }

    /// The boxes of one class that stay, best first.
    fn select(&self, areas: &[Area], scores: &[f32]) -> Vec<usize> {
        let mut candidates: Vec<usize> =
            (0..scores.len()).filter(|&i| self.score.is_none_or(|least| scores[i] > least)).collect();
        candidates.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut kept: Vec<usize> = Vec::new();
        for candidate in candidates {
            if kept.len() >= self.most {
                break;
            }
            if !kept.iter().any(|&better| areas[candidate].overlaps(&areas[better], self.overlap)) {
                kept.push(candidate);
            }
        }
        kept
    }
}

impl Op for NonMaxSuppression {
    fn infer(&self, _inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(Some(ElemType::I64), Some(vec![SymDim::Unknown, SymDim::Known(3)]))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (boxes, scores) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let (&[batches, count, 4], &[batches_too, classes, count_too]) =
            (&boxes.shape()[..], &scores.shape()[..])
        else {
            return Err(misfit(boxes, scores));
        };
        if batches != batches_too || count != count_too {
            return Err(misfit(boxes, scores));
        }
        let limits = Limits::new(&inputs)?;
        let (corners, scores) = (boxes.view::<f32>()?, scores.view::<f32>()?);
        let (corners, _) = corners.as_chunks::<4>();
        let areas: Vec<Area> = corners.iter().map(|&corners| self.area(corners)).collect();
        let mut kept = Vec::new();
        for batch in 0..batches {
            let areas = &areas[batch * count..(batch + 1) * count];
            for class in 0..classes {
                let first = (batch * classes + class) * count;
                for i in limits.select(areas, &scores[first..first + count]) {
                    kept.extend([batch, class, i].map(|place| place.cast_signed() as i64));
                }
            }
        }
        one(Tensor::from_vec(vec![kept.len() / 3, 3], kept)?)
    }
}

fn misfit(boxes: &Tensor, scores: &Tensor) -> OpError {
    OpError::invalid(format!(
        "expected boxes [batch,boxes,4] and scores [batch,classes,boxes], got {} and {}",
        boxes.shape(),
        scores.shape()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlapping_box_goes_and_one_that_touches_stays() {
        let nms = NonMaxSuppression { centers: false };
        let areas = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 1.0, 1.0, 2.0]]
            .map(|corners| nms.area(corners));
        let limits = |score| Limits { most: 9, overlap: 0.5, score };
        assert_eq!(limits(None).select(&areas, &[0.8, 0.9, 0.1]), [1, 2]);
        assert_eq!(limits(Some(0.1)).select(&areas, &[0.8, 0.9, 0.1]), [1]);
    }
}
