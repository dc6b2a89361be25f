//! `TopK`: `k` as an attribute since opset 1, as an input since 10; `largest` and `sorted` since 11.
//!
//! Of equal elements the one with the lower index comes first, as in ONNX Runtime.

use std::cmp::Ordering;

use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Tensor, checked_len, dispatch},
};

use super::{
    kernels::take_blocks,
    shapes::{axis, contents, size},
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("TopK", 1, |node| boxed(TopK::parse(node)?))];

#[derive(Debug)]
struct TopK {
    /// The attribute's, before opset 10.
    k: Option<usize>,
    axis: i64,
    largest: bool,
}

impl TopK {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let k = if node.opset() < 10 { Some(size(node.required_int("k")?)?) } else { None };
        Ok(Self { k, axis: node.int_or("axis", -1)?, largest: node.flag("largest", true)? })
    }
}

impl Op for TopK {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let mut shape = inputs.shape(0).cloned();
        if let Some(shape) = &mut shape {
            let k = || contents(inputs.get(1)).and_then(|dims| dims.first().cloned());
            let axis = axis(self.axis, shape.len())?;
            shape[axis] = self.k.map(SymDim::Known).or_else(k).unwrap_or(SymDim::Unknown);
        }
        Ok(vec![Fact::tensor(inputs.elem(0), shape.clone()), Fact::tensor(Some(ElemType::I64), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let k = match self.k {
            Some(k) => k,
            None => match inputs.tensor(1)?.to_ints()?[..] {
                [k] => size(k)?,
                _ => return Err(OpError::invalid("expected one k")),
            },
        };
        let axis = axis(self.axis, input.rank())?;
        let lanes = Lanes::new(input.shape(), axis);
        if k > lanes.size {
            return Err(OpError::invalid(format!("k is {k}, but the dimension has {} elements", lanes.size)));
        }
        let mut shape = input.shape().to_vec();
        shape[axis] = k;
        let len = checked_len::<i64>(&shape)?;
        let indices = dispatch!(input.elem(), Number, T => {
            let data = input.view::<T>()?;
            lanes.top(k, len, |a, b| order(&data[a], &data[b], self.largest))
        })?;
        let starts: Vec<usize> =
            indices.iter().enumerate().map(|(at, index)| lanes.place(at, *index, k)).collect();
        let values = take_blocks(input, &starts, 1, shape.clone())?;
        let indices = indices.into_iter().map(|index| index.cast_signed() as i64).collect();
        Ok(smallvec![values.into(), Tensor::from_vec(shape, indices)?.into()])
    }
}

/// The better element first; NaN counts as the largest.
fn order<T: PartialOrd>(a: &T, b: &T, largest: bool) -> Ordering {
    let unordered = |value: &T| value.partial_cmp(value).is_none();
    let ascending = a.partial_cmp(b).unwrap_or_else(|| unordered(a).cmp(&unordered(b)));
    if largest { ascending.reverse() } else { ascending }
}

/// The runs of elements along one dimension.
struct Lanes {
    outer: usize,
    size: usize,
    inner: usize,
}

impl Lanes {
    fn new(shape: &[usize], axis: usize) -> Self {
        let product = |dims: &[usize]| dims.iter().product();
        Self { outer: product(&shape[..axis]), size: shape[axis], inner: product(&shape[axis + 1..]) }
    }

    /// The indices along the dimension of the best `k` of each lane, laid out as the result.
    fn top(&self, k: usize, len: usize, better: impl Fn(usize, usize) -> Ordering) -> Result<Vec<usize>> {
        let mut out = vec![0; len];
        if len == 0 {
            return Ok(out);
        }
        let mut lane: Vec<usize> = Vec::with_capacity(self.size);
        for (row, column) in (0..self.outer).flat_map(|row| (0..self.inner).map(move |column| (row, column)))
        {
            let place = |i: usize| (row * self.size + i) * self.inner + column;
            let by = |a: &usize, b: &usize| better(place(*a), place(*b)).then(a.cmp(b));
            lane.clear();
            lane.extend(0..self.size);
            if k < self.size {
                lane.select_nth_unstable_by(k, by);
                lane.truncate(k);
            }
            lane.sort_unstable_by(by);
            for (i, &index) in lane.iter().enumerate() {
                out[(row * k + i) * self.inner + column] = index;
            }
        }
        Ok(out)
    }

    /// Where the element at `at` of the result, index `index` of its lane, stands in the input.
    const fn place(&self, at: usize, index: usize, k: usize) -> usize {
        let (row, column) = (at / (k * self.inner), at % self.inner);
        (row * self.size + index) * self.inner + column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_index() {
        let data = [3f32, 1.0, 3.0, f32::NAN, 2.0, 3.0];
        let lanes = Lanes::new(&[6], 0);
        let top = |k, largest| lanes.top(k, k, |a, b| order(&data[a], &data[b], largest)).unwrap();
        assert_eq!(top(4, true), [3, 0, 2, 5]);
        assert_eq!(top(2, false), [1, 4]);
        assert_eq!(top(0, true), [] as [usize; 0]);
    }
}
