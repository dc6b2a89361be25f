//! Tensors side by side along an axis: what loops, scans and sequences put together and take apart.

use girandole_core::Shape;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    value::{ElemType, Tensor, Value, checked_len, dispatch},
};

/// The place of an axis that may count from behind.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let place = if axis < 0 { axis.saturating_add(signed) } else { axis };
    usize::try_from(place)
        .ok()
        .filter(|&place| place < rank)
        .ok_or_else(|| OpError::invalid(format!("axis {axis} is outside rank {rank}")))
}

/// Values along a new first dimension; no values give an empty tensor of what is known of one.
pub(super) fn stack(all: &[Value], one: &Fact) -> Result<Tensor> {
    if all.is_empty() {
        let elem = one.elem.unwrap_or(ElemType::F32);
        let dims = one.shape.iter().flatten().map(|dim| dim.known().unwrap_or(0));
        let shape: Shape = std::iter::once(0).chain(dims).collect();
        return dispatch!(elem, Any, T => Tensor::from_vec::<T>(shape, Vec::new()));
    }
    stack_at(all, 0)
}

/// Values along a new dimension at `axis`.
pub(super) fn stack_at(all: &[Value], axis: usize) -> Result<Tensor> {
    let widened = all.iter().map(|value| {
        let tensor = value.tensor()?;
        let mut shape = tensor.shape().to_vec();
        if axis > shape.len() {
            return Err(OpError::invalid(format!("axis {axis} is outside rank {}", shape.len() + 1)));
        }
        shape.insert(axis, 1);
        tensor.reshape(&shape[..])
    });
    concat(&widened.collect::<Result<Vec<_>>>()?, axis)
}

/// Tensors along an existing dimension.
pub(super) fn concat(all: &[Tensor], axis: usize) -> Result<Tensor> {
    let first = all.first().ok_or_else(|| OpError::invalid("there is nothing to join"))?;
    let mut shape = first.shape().to_vec();
    if axis >= shape.len() {
        return Err(OpError::invalid(format!("axis {axis} is outside rank {}", shape.len())));
    }
    shape[axis] = 0;
    for tensor in all {
        let dims = tensor.shape();
        let fits = dims.len() == shape.len() && (0..dims.len()).all(|d| d == axis || dims[d] == shape[d]);
        if !fits || tensor.elem() != first.elem() {
            return Err(OpError::invalid(format!("cannot join {first:?} and {tensor:?} along axis {axis}")));
        }
        shape[axis] = shape[axis].saturating_add(dims[axis]);
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    dispatch!(first.elem(), Any, T => {
        let mut joined = Vec::with_capacity(checked_len::<T>(&shape)?);
        let views = all.iter().map(|t| Ok((t.view::<T>()?, t.shape()[axis] * inner))).collect::<Result<Vec<_>>>()?;
        for block in 0..outer {
            views.iter().for_each(|(view, size)| joined.extend_from_slice(&view[block * size..(block + 1) * size]));
        }
        Tensor::from_vec(&shape[..], joined)
    })
}

/// `len` slices of `tensor` from `start` along `axis`.
pub(super) fn narrow(tensor: &Tensor, axis: usize, start: usize, len: usize) -> Result<Tensor> {
    let mut shape = tensor.shape().to_vec();
    let size = shape.get(axis).copied().unwrap_or(0);
    if start.checked_add(len).is_none_or(|end| end > size) {
        return Err(OpError::invalid(format!("{start}+{len} is outside dimension {axis} of {tensor:?}")));
    }
    let inner: usize = shape[axis + 1..].iter().product();
    shape[axis] = len;
    dispatch!(tensor.elem(), Any, T => {
        let data = tensor.view::<T>()?;
        let blocks = data.chunks_exact((size * inner).max(1));
        let picked = blocks.flat_map(|block| &block[start * inner..(start + len) * inner]).cloned();
        Tensor::from_vec(&shape[..], picked.collect())
    })
}

/// Slice `index` along `axis`, without that dimension.
pub(super) fn select(tensor: &Tensor, axis: usize, index: usize) -> Result<Tensor> {
    let slice = narrow(tensor, axis, index, 1)?;
    let mut shape = slice.shape().to_vec();
    shape.remove(axis);
    slice.reshape(&shape[..])
}
