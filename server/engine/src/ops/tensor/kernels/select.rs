//! Picks indices of each dimension independently: padding, cropping, nearest-neighbour resizing.

use crate::{
    error::{OpError, Result},
    ops::tensor::shapes::strides,
    value::{Element, Tensor, checked_len, dispatch},
};

/// Where an index of the result comes from along one dimension; `None` is the fill value.
pub(in crate::ops::tensor) type Pick = Option<usize>;

/// The tensor whose dimension `i` consists of the `picks[i]` of `tensor`'s; an element that any dimension
/// fills is `fill`'s only element (the type's default without one).
///
/// # Errors
/// `Invalid` where a pick is outside the tensor or `fill` does not fit, `TooLarge` for too large a result.
pub(in crate::ops::tensor) fn select(
    tensor: &Tensor,
    picks: &[Vec<Pick>],
    fill: Option<&Tensor>,
) -> Result<Tensor> {
    let inside = |(picks, &dim): (&Vec<Pick>, &usize)| picks.iter().flatten().all(|&i| i < dim);
    if picks.len() != tensor.rank() || !picks.iter().zip(tensor.shape().iter()).all(inside) {
        return Err(OpError::invalid("a copy reads outside its tensor"));
    }
    let shape: Vec<usize> = picks.iter().map(Vec::len).collect();
    let fill = fill.map(|fill| fill.codes().map_or_else(|| fill.clone(), |(_, codes)| codes));
    tensor.moved(|tensor| {
        dispatch!(tensor.elem(), Any, T => {
            let fill = fill.as_ref().map(Tensor::to_scalar::<T>).transpose()?.unwrap_or_default();
            let mut out = Vec::with_capacity(checked_len::<T>(&shape)?);
            let plan = Plan::new(tensor.shape(), picks);
            if plan.only_fill {
                out.resize(shape.iter().product(), fill);
            } else {
                plan.copy(&tensor.view::<T>()?, &fill, 0, 0, &mut out);
            }
            Tensor::from_vec(shape, out)
        })
    })
}

#[derive(Clone, Copy)]
enum Run {
    Fill(usize),
    Copy { start: usize, len: usize },
}

/// The dimensions of more than one index, outermost first.
struct Plan {
    axes: Vec<PlanAxis>,
    only_fill: bool,
}

struct PlanAxis {
    runs: Vec<Run>,
    /// Elements of the source between neighbours.
    stride: usize,
    /// Elements of the result for one index.
    inner: usize,
    /// Whether every dimension inside this one is taken whole.
    whole_inside: bool,
}

impl Plan {
    fn new(shape: &[usize], picks: &[Vec<Pick>]) -> Self {
        let strides = strides(shape);
        let mut axes = Vec::new();
        let (mut inner, mut whole_inside) = (1, true);
        for ((picks, &dim), &stride) in picks.iter().zip(shape).zip(&strides).rev() {
            let whole = picks.len() == dim && picks.iter().enumerate().all(|(i, pick)| *pick == Some(i));
            if !whole || dim != 1 {
                axes.push(PlanAxis { runs: runs(picks), stride, inner, whole_inside });
            }
            whole_inside &= whole;
            inner *= picks.len();
        }
        axes.reverse();
        let only_fill = picks.iter().any(|picks| picks.iter().all(Option::is_none));
        Self { axes, only_fill }
    }

    fn copy<T: Element>(&self, source: &[T], fill: &T, depth: usize, base: usize, out: &mut Vec<T>) {
        let Some(axis) = self.axes.get(depth) else {
            out.push(source[base].clone());
            return;
        };
        let mut last = None;
        for run in &axis.runs {
            match *run {
                Run::Fill(len) => {
                    out.resize(out.len() + len * axis.inner, fill.clone());
                    last = None;
                }
                Run::Copy { start, len } if axis.whole_inside => {
                    let from = base + start * axis.stride;
                    out.extend_from_slice(&source[from..from + len * axis.stride]);
                }
                Run::Copy { start, len } => {
                    for i in start..start + len {
                        if last == Some(i) {
                            out.extend_from_within(out.len() - axis.inner..);
                        } else {
                            self.copy(source, fill, depth + 1, base + i * axis.stride, out);
                        }
                        last = Some(i);
                    }
                }
            }
        }
    }
}

/// Neighbouring picks of neighbouring indices as one run.
fn runs(picks: &[Pick]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for pick in picks {
        match (runs.last_mut(), pick) {
            (Some(Run::Fill(len)), None) => *len += 1,
            (Some(Run::Copy { start, len }), Some(i)) if *start + *len == *i => *len += 1,
            (_, None) => runs.push(Run::Fill(1)),
            (_, Some(i)) => runs.push(Run::Copy { start: *i, len: 1 }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Tensor {
        Tensor::from_vec(vec![2, 3], vec![1i64, 2, 3, 4, 5, 6]).unwrap()
    }

    #[test]
    fn dimensions_are_picked_independently() {
        let fill = Tensor::scalar(9i64).unwrap();
        let picks = [vec![Some(1), Some(1), None, Some(0)], vec![None, Some(0), Some(1), Some(1)]];
        let out = select(&source(), &picks, Some(&fill)).unwrap();
        assert_eq!(out.to_vec::<i64>().unwrap(), [9, 4, 5, 5, 9, 4, 5, 5, 9, 9, 9, 9, 9, 1, 2, 2]);
    }

    #[test]
    fn whole_dimensions_are_copied_in_runs() {
        let picks = [vec![Some(1), Some(0)], vec![Some(0), Some(1), Some(2)]];
        assert_eq!(select(&source(), &picks, None).unwrap().to_vec::<i64>().unwrap(), [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn a_pick_outside_is_an_error() {
        assert!(select(&source(), &[vec![Some(2)], vec![Some(0)]], None).is_err());
        assert!(select(&source(), &[vec![Some(1)]], None).is_err());
    }
}
