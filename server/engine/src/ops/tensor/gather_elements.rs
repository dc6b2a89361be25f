//! `GatherElements` (since opset 11) and `GatherND` (since 11, `batch_dims` since 12).

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    kernels::take_blocks,
    shapes::{axis, index, offsets, one_fact, size, strides},
};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("GatherElements", 11, |node| boxed(GatherElements { axis: node.int_or("axis", 0)? })),
    OpDef::onnx("GatherND", 11, |node| boxed(GatherNd { batch_dims: size(node.int_or("batch_dims", 0)?)? })),
];

/// `GatherElements`.
#[derive(Debug)]
pub(crate) struct GatherElements {
    pub(crate) axis: i64,
}

impl Op for GatherElements {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        one_fact(inputs.elem(0), inputs.shape(1).cloned())
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (data, indices) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let places = element_places(data, indices, self.axis)?;
        one(take_blocks(data, &places, 1, indices.shape().to_vec())?)
    }
}

/// The place in `data` of each index: its own position, but along `along` the index says.
pub(super) fn element_places(data: &Tensor, indices: &Tensor, along: i64) -> Result<Vec<usize>> {
    let axis = axis(along, data.rank())?;
    let outside = |i: usize| i != axis && indices.shape()[i] > data.shape()[i];
    if indices.rank() != data.rank() || (0..data.rank()).any(outside) {
        return Err(OpError::invalid(format!(
            "indices of shape {} do not fit data of shape {} along axis {axis}",
            indices.shape(),
            data.shape()
        )));
    }
    if checked_len::<usize>(indices.shape())? == 0 {
        return Ok(Vec::new());
    }
    let mut strides = strides(data.shape());
    let along = std::mem::take(&mut strides[axis]);
    let dim = data.shape()[axis];
    let place = |(base, at): (usize, i64)| Ok(base + index(at, dim)? * along);
    offsets(indices.shape(), &strides).into_iter().zip(indices.to_ints()?).map(place).collect()
}

#[derive(Debug)]
struct GatherNd {
    batch_dims: usize,
}

impl Op for GatherNd {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).zip(inputs.shape(1)).and_then(|(data, indices)| {
            let (last, lead) = indices.split_last()?;
            Some([lead, data.get(self.batch_dims.checked_add(last.known()?)?..)?].concat())
        });
        one_fact(inputs.elem(0), shape)
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (data, indices) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let tuples = Tuples::new(data.shape(), indices.shape(), self.batch_dims)?;
        let shape = [tuples.lead, &data.shape()[tuples.end..]].concat();
        if checked_len::<u8>(&shape)? == 0 {
            return one(take_blocks(data, &[], 0, shape)?);
        }
        let starts = tuples.places(&indices.to_ints()?)?;
        one(take_blocks(data, &starts, tuples.block, shape)?)
    }
}

/// Index tuples into the dimensions of a tensor from `batch_dims` on.
pub(super) struct Tuples<'a> {
    data: &'a [usize],
    /// Dimensions of the tuples themselves.
    lead: &'a [usize],
    batch_dims: usize,
    /// The first dimension that the tuples leave whole.
    end: usize,
    /// Elements that one tuple names.
    pub(super) block: usize,
}

impl<'a> Tuples<'a> {
    /// # Errors
    /// `Invalid` where the shapes do not fit.
    pub(super) fn new(data: &'a [usize], indices: &'a [usize], batch_dims: usize) -> Result<Self> {
        let misfit =
            || OpError::invalid(format!("indices of shape {indices:?} do not fit data of shape {data:?}"));
        let (&width, lead) = indices.split_last().ok_or_else(misfit)?;
        let end = batch_dims.checked_add(width).filter(|&end| end <= data.len()).ok_or_else(misfit)?;
        if lead.get(..batch_dims) != data.get(..batch_dims) {
            return Err(misfit());
        }
        let block = data[end..].iter().product();
        Ok(Self { data, lead, batch_dims, end, block })
    }

    /// Where the elements of each tuple begin.
    ///
    /// # Errors
    /// `Invalid` for an index out of range.
    pub(super) fn places(&self, indices: &[i64]) -> Result<Vec<usize>> {
        let strides = strides(self.data);
        let (sizes, strides) = (&self.data[self.batch_dims..self.end], &strides[self.batch_dims..self.end]);
        let batches: usize = self.data[..self.batch_dims].iter().product();
        let batch: usize = self.data[self.batch_dims..].iter().product();
        let tuples: usize = self.lead.iter().product();
        let per_batch = tuples.checked_div(batches).unwrap_or(0);
        let width = sizes.len();
        let place = |i: usize| {
            let tuple = indices[i * width..(i + 1) * width].iter().zip(sizes).zip(strides);
            tuple.map(|((&at, &size), stride)| Ok(index(at, size)? * stride)).sum::<Result<usize>>()
        };
        (0..tuples).map(|i| Ok(i / per_batch * batch + place(i)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_point_into_their_batch() {
        let tuples = Tuples::new(&[2, 2, 3], &[2, 1], 1).unwrap();
        assert_eq!((tuples.block, tuples.places(&[1, -2]).unwrap()), (3, vec![3, 6]));
        assert!(tuples.places(&[2, 0]).is_err());
        assert!(Tuples::new(&[2, 2], &[3, 1], 1).is_err());
        assert!(Tuples::new(&[2, 2], &[1, 3], 0).is_err());
        assert!(Tuples::new(&[2, 2], &[], 0).is_err());
    }

    #[test]
    fn elements_keep_their_position_off_the_axis() {
        let data = Tensor::from_vec(vec![2, 3], vec![0i64; 6]).unwrap();
        let indices = Tensor::from_vec(vec![1, 3], vec![1i64, 0, -1]).unwrap();
        assert_eq!(element_places(&data, &indices, 0).unwrap(), [3, 1, 5]);
        assert!(element_places(&data, &indices, 1).is_ok_and(|places| places == [1, 0, 2]));
        assert!(element_places(&data, &Tensor::scalar(0i64).unwrap(), 0).is_err());
    }
}
