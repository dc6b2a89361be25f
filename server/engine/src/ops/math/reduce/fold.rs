//! The fold over the axes of a tensor: neighbouring axes of one kind are merged, inner ones run over
//! contiguous memory, and an outermost axis that is kept is split over threads.

use super::reducer::Reducer;
use crate::{
    error::Result,
    ops::math::{
        axes::reduced,
        number::Number,
        parallel::{allocate, fill_costly},
    },
    value::Tensor,
};

/// Partial results that a contiguous run keeps, so that it vectorises and rounds less.
const LANES: usize = 16;

/// Neighbouring axes that are all kept or all reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    size: usize,
    reduced: bool,
}

/// Reduces the axes of `mask`, leaving 1 of each, or nothing where `keep` is false.
///
/// # Errors
/// `Invalid` where the tensor does not hold `T`.
pub(super) fn fold<T: Number, R: Reducer<T::Wide>>(
    input: &Tensor,
    mask: &[bool],
    keep: bool,
) -> Result<Tensor> {
    let shape = reduced(input.shape(), mask, keep, &1);
    let groups = groups(input.shape(), mask);
    let elements = input.view::<T>()?;
    let elements: &[T] = &elements;
    let mut out = allocate::<T>(&shape)?;
    let count = elements.len().checked_div(out.len()).unwrap_or(0);
    let (rows, inner) = match groups.split_first() {
        Some((first, inner)) if !first.reduced => (first.size, inner),
        _ => (1, &groups[..]),
    };
    let unit = out.len().checked_div(rows).unwrap_or(0);
    let row = elements.len().checked_div(rows).unwrap_or(0);
    fill_costly(&mut out, unit, count, &|start, chunk| {
        let first = start.checked_div(unit).unwrap_or(0);
        for (i, to) in chunk.chunks_mut(unit.max(1)).enumerate() {
            let mut partials = vec![R::start(); to.len()];
            accumulate::<T, R>(inner, &elements[(first + i) * row..][..row], &mut partials);
            to.iter_mut().zip(partials).for_each(|(to, partial)| *to = T::narrow(R::finish(partial, count)));
        }
    });
    Tensor::from_vec(shape, out)
}

fn groups(shape: &[usize], mask: &[bool]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(shape.len());
    for (&size, &reduced) in shape.iter().zip(mask).filter(|(size, _)| **size != 1) {
        match groups.last_mut() {
            Some(last) if last.reduced == reduced => last.size *= size,
            _ => groups.push(Group { size, reduced }),
        }
    }
    groups
}

/// Takes `input`, which has these groups, into the partial results of the groups that are kept.
fn accumulate<T: Number, R: Reducer<T::Wide>>(groups: &[Group], input: &[T], partials: &mut [R::Partial]) {
    if input.is_empty() {
        return;
    }
    match groups {
        [] | [Group { reduced: false, .. }] => {
            partials.iter_mut().zip(input).for_each(|(partial, x)| *partial = R::step(*partial, x.widen()));
        }
        [Group { reduced: true, .. }] => {
            let run = fold_run::<T, R>(input);
            partials.iter_mut().for_each(|partial| *partial = R::join(*partial, run));
        }
        [Group { reduced: true, size }, inner @ ..] => {
            accumulate_slices::<T, R>(inner, input, input.len() / size, partials);
        }
        [Group { reduced: false, size }, inner @ ..] => {
            let (stride, kept) = (input.len() / size, partials.len() / size);
            for (input, partials) in input.chunks(stride).zip(partials.chunks_mut(kept)) {
                accumulate::<T, R>(inner, input, partials);
            }
        }
    }
}

/// Takes slices of `stride` elements, all into the same partial results: many of them in halves, so that
/// the rounding grows with the logarithm of their number.
fn accumulate_slices<T: Number, R: Reducer<T::Wide>>(
    inner: &[Group],
    input: &[T],
    stride: usize,
    partials: &mut [R::Partial],
) {
    let slices = input.len() / stride;
    if slices <= LANES {
        return input.chunks(stride).for_each(|input| accumulate::<T, R>(inner, input, partials));
    }
    let (head, tail) = input.split_at(slices / 2 * stride);
    accumulate_slices::<T, R>(inner, head, stride, partials);
    let mut others = vec![R::start(); partials.len()];
    accumulate_slices::<T, R>(inner, tail, stride, &mut others);
    partials.iter_mut().zip(others).for_each(|(partial, other)| *partial = R::join(*partial, other));
}

/// The longest run that is folded in one go, lane by lane; a longer one goes in halves, as above.
const LONGEST_RUN: usize = 64 * LANES;

fn fold_run<T: Number, R: Reducer<T::Wide>>(run: &[T]) -> R::Partial {
    if run.len() > LONGEST_RUN {
        let (head, tail) = run.split_at(run.len() / 2);
        return R::join(fold_run::<T, R>(head), fold_run::<T, R>(tail));
    }
    let mut lanes = [R::start(); LANES];
    let (chunks, rest) = run.as_chunks::<LANES>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = R::step(*lane, x.widen()));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane = R::step(*lane, x.widen()));
    lanes.into_iter().fold(R::start(), R::join)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::reducer, *};

    proptest! {
        #[test]
        fn every_mask_sums_as_the_definition_says(
            dims in prop::collection::vec((0usize..4, any::<bool>()), 0..5),
        ) {
            let shape: Vec<usize> = dims.iter().map(|dim| dim.0).collect();
            let mask: Vec<bool> = dims.iter().map(|dim| dim.1).collect();
            let len: usize = shape.iter().product();
            let input: Vec<i64> = (1..=len as i64).collect();
            let tensor = Tensor::from_vec(shape.clone(), input.clone()).unwrap();
            let came = fold::<i64, reducer::Sum<i64>>(&tensor, &mask, true).unwrap();
            let mut expected = vec![0; came.len()];
            for (i, x) in input.iter().enumerate() {
                let (mut rest, mut at, mut stride) = (i, 0, 1);
                for (&size, &reduced) in shape.iter().zip(&mask).rev() {
                    at += if reduced { 0 } else { rest % size * stride };
                    stride *= if reduced { 1 } else { size };
                    rest /= size;
                }
                expected[at] += x;
            }
            prop_assert_eq!(came.to_vec::<i64>().unwrap(), expected);
        }
    }

    #[test]
    fn long_sums_round_little_along_any_axis() {
        let (long, wide) = (1 << 16, 3);
        let data: Vec<f32> = (0..long * wide).map(|i| 1.0 + (i % 7) as f32 / 8.0).collect();
        let exact: f64 = data.iter().step_by(wide).map(|&x| f64::from(x)).sum();
        let tensor = Tensor::from_vec(vec![long, wide], data.clone()).unwrap();
        let down = fold::<f32, reducer::Sum<f32>>(&tensor, &[true, false], false).unwrap();
        let column: Vec<f32> = data.into_iter().step_by(wide).collect();
        let tensor = Tensor::from_vec(vec![long], column).unwrap();
        let along = fold::<f32, reducer::Sum<f32>>(&tensor, &[true], false).unwrap();
        for came in [down.to_vec::<f32>().unwrap()[0], along.to_vec::<f32>().unwrap()[0]] {
            assert!((f64::from(came) - exact).abs() < 2e-7 * exact, "{came}, exactly {exact}");
        }
    }

    #[test]
    fn empty_reductions_give_the_neutral_element() {
        let empty = Tensor::from_vec(vec![2, 0], Vec::<f32>::new()).unwrap();
        let mask = [false, true];
        let values = |tensor: Tensor| tensor.to_vec::<f32>().unwrap();
        assert_eq!(
            values(fold::<f32, reducer::Max<f32>>(&empty, &mask, false).unwrap()),
            [f32::NEG_INFINITY; 2]
        );
        assert_eq!(values(fold::<f32, reducer::Prod<f32>>(&empty, &mask, false).unwrap()), [1.0; 2]);
        assert_eq!(
            values(fold::<f32, reducer::LogSumExp>(&empty, &mask, false).unwrap()),
            [f32::NEG_INFINITY; 2]
        );
    }

    #[test]
    fn infinities_and_large_numbers_pass_through_a_log_sum_exp() {
        let of = |data: Vec<f32>| {
            let tensor = Tensor::from_vec(vec![data.len()], data).unwrap();
            fold::<f32, reducer::LogSumExp>(&tensor, &[true], false).unwrap().to_scalar::<f32>().unwrap()
        };
        assert_eq!(of(vec![f32::INFINITY, f32::INFINITY]), f32::INFINITY);
        assert_eq!(of(vec![f32::NEG_INFINITY, 3.0]), 3.0);
        assert!((of(vec![1000.0, 1000.0]) - 1_000.693_1).abs() < 1e-3);
        assert!(of(vec![f32::NAN, 1.0]).is_nan());
    }
}
