//! `Unique`, since opset 11: the distinct elements, or slices along an axis, with where they stand.

use std::cmp::Ordering;

use smallvec::smallvec;

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed},
    value::{ElemType, Tensor, dispatch},
};

use super::{
    kernels::take_blocks,
    shapes::{axis, unknown},
    transpose::permuted,
};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("Unique", 11, |node| boxed(Unique::parse(node)?))];

#[derive(Debug)]
struct Unique {
    axis: Option<i64>,
    /// Whether the results ascend; else they stand in the order of their first occurrence.
    sorted: bool,
}

impl Unique {
    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        Ok(Self { axis: node.int("axis")?, sorted: node.flag("sorted", true)? })
    }
}

impl Op for Unique {
    fn infer(&self, inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        let shape = match (self.axis, inputs.shape(0)) {
            (None, _) => Some(unknown(1)),
            (Some(along), Some(shape)) => {
                let mut shape = shape.clone();
                let axis = axis(along, shape.len())?;
                shape[axis] = SymDim::Unknown;
                Some(shape)
            }
            _ => None,
        };
        let places = Fact::tensor(Some(ElemType::I64), Some(unknown(1)));
        let mut facts = vec![Fact::tensor(inputs.elem(0), shape)];
        facts.resize(outputs.max(1), places);
        Ok(facts)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let (rows, back) = match self.axis {
            None => (input.reshape(vec![input.len()])?, None),
            Some(along) => {
                let axis = axis(along, input.rank())?;
                // The axis comes first, so that its slices are rows of one run each.
                let order: Vec<usize> =
                    std::iter::once(axis).chain((0..input.rank()).filter(|&i| i != axis)).collect();
                (permuted(input, &order)?, Some(axis))
            }
        };
        let groups = self.groups(&rows)?;
        let mut shape = rows.shape().to_vec();
        let block: usize = shape[1..].iter().product();
        shape[0] = groups.len();
        let starts: Vec<usize> = groups.iter().map(|group| group[0] * block).collect();
        let mut distinct = take_blocks(&rows, &starts, block, shape)?;
        if let Some(axis) = back {
            let order: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..input.rank()).collect();
            distinct = permuted(&distinct, &order)?;
        }
        let mut inverse = vec![0; rows.shape()[0]];
        for (number, group) in groups.iter().enumerate() {
            group.iter().for_each(|&row| inverse[row] = number);
        }
        Ok(smallvec![
            distinct.into(),
            ints(groups.iter().map(|group| group[0]))?.into(),
            ints(inverse)?.into(),
            ints(groups.iter().map(Vec::len))?.into(),
        ])
    }
}

impl Unique {
    /// The rows that are equal, group by group, each ascending.
    fn groups(&self, rows: &Tensor) -> Result<Vec<Vec<usize>>> {
        let count = rows.shape()[0];
        let block: usize = rows.shape()[1..].iter().product();
        let mut groups = dispatch!(rows.elem(), Any, T => {
            let data = rows.view::<T>()?;
            let row = |i: usize| &data[i * block..(i + 1) * block];
            group(count, |a, b| compare(row(a), row(b)))
        })?;
        if !self.sorted {
            groups.sort_by_key(|group| group[0]);
        }
        Ok(groups)
    }
}

fn group(count: usize, compare: impl Fn(usize, usize) -> Ordering) -> Result<Vec<Vec<usize>>> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| compare(a, b));
    let groups = order.chunk_by(|&a, &b| compare(a, b).is_eq());
    Ok(groups.map(<[usize]>::to_vec).collect())
}

/// Element by element; one that compares with nothing (NaN) comes last.
fn compare<T: PartialOrd>(a: &[T], b: &[T]) -> Ordering {
    let unordered = |value: &T| value.partial_cmp(value).is_none();
    let one = |(a, b): (&T, &T)| a.partial_cmp(b).unwrap_or_else(|| unordered(a).cmp(&unordered(b)));
    a.iter().zip(b).map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn ints(values: impl IntoIterator<Item = usize>) -> Result<Tensor> {
    let values: Result<Vec<i64>, _> = values.into_iter().map(i64::try_from).collect();
    let values = values.map_err(|_| OpError::invalid("a place is no 64-bit integer"))?;
    Tensor::from_vec(vec![values.len()], values)
}
