//! Attention over heads that are read where projections left them: `[Q, K, V, mask]`, the mask left out or
//! broadcast to `[batch, heads, queries, keys]`. The answer is `[batch, heads, queries, width]` or
//! `[batch, queries, heads, width]`.

use girandole_kernels::attention::{self as kernel, Heads, Mask, Sizes};
pub(crate) use kernel::Order;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor, checked_len},
};

/// An axis of heads as a part of an axis of the tensor that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// The tensor's axis.
    pub(crate) axis: usize,
    /// Places of that axis from one index to the next.
    pub(crate) inner: usize,
    /// Indices; `None` for all of the tensor's axis.
    pub(crate) size: Option<usize>,
}

/// Batch, head, row and column of heads in a tensor; one that is left out has one index. Columns lie side by
/// side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand(pub(crate) [Option<Axis>; 4]);

impl Operand {
    /// Size and stride of each axis in a tensor.
    fn place(&self, shape: &[usize]) -> Result<[(usize, usize); 4]> {
        let strides =
            |axis: usize| shape[axis + 1..].iter().try_fold(1usize, |all, &dim| all.checked_mul(dim));
        let mut places = [(1, 0); 4];
        for (place, axis) in places.iter_mut().zip(self.0) {
            let Some(Axis { axis, inner, size }) = axis else { continue };
            let there = shape.get(axis).ok_or_else(|| OpError::invalid("heads lack an axis"))?;
            let stride = strides(axis).and_then(|stride| stride.checked_mul(inner));
            *place = (size.unwrap_or(*there), stride.ok_or_else(|| OpError::invalid("heads are too large"))?);
        }
        Ok(places)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) query: Operand,
    pub(crate) key: Operand,
    pub(crate) value: Operand,
    /// Multiplied with the products of queries and keys.
    pub(crate) scale: f32,
    pub(crate) order: Order,
}

impl Op for Attention {
    fn infer(&self, _inputs: &Facts<'_>, outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(Some(ElemType::F32), None); outputs])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (query, key, value) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        let places = [
            self.query.place(query.shape())?,
            self.key.place(key.shape())?,
            self.value.place(value.shape())?,
        ];
        let sizes = sizes(&places)?;
        let mask = inputs.opt_tensor(3)?;
        let strides = mask.map(|mask| strides(mask, sizes)).transpose()?;
        let (query, key, value) = (query.view::<f32>()?, key.view::<f32>()?, value.view::<f32>()?);
        let mask = mask.map(Tensor::view::<f32>).transpose()?;
        let [query_place, key_place, value_place] = places;
        let attention = kernel::Attention {
            sizes,
            query: heads(&query, query_place),
            key: heads(&key, key_place),
            value: heads(&value, value_place),
            scale: self.scale,
            mask: mask.as_deref().zip(strides).map(|(data, strides)| Mask { data, strides }),
            order: self.order,
        };
        let Sizes { batch, heads, queries, width, .. } = sizes;
        let shape = match self.order {
            Order::RowsFirst => [batch, queries, heads, width],
            Order::HeadsFirst => [batch, heads, queries, width],
        };
        checked_len::<f32>(&shape)?;
        one(Tensor::from_vec(&shape[..], attention.compute()?)?)
    }
}

fn heads(data: &[f32], [batch, head, row, _]: [(usize, usize); 4]) -> Heads<'_> {
    Heads { data, start: 0, batch: batch.1, head: head.1, row: row.1 }
}

/// The sizes of queries, keys and values together.
fn sizes([query, key, value]: &[[(usize, usize); 4]; 3]) -> Result<Sizes> {
    let [(batch, _), (heads, _), (queries, _), (depth, _)] = *query;
    let [(key_batch, _), (key_heads, _), (keys, _), (key_depth, _)] = *key;
    let [(value_batch, _), (value_heads, _), (rows, _), (width, _)] = *value;
    let fit = (key_batch, key_heads, key_depth) == (batch, heads, depth)
        && (value_batch, value_heads, rows) == (batch, heads, keys);
    if !fit {
        return Err(OpError::invalid(format!(
            "queries of {batch}x{heads} heads of {depth} columns do not fit keys of \
             {key_batch}x{key_heads} heads of {keys}x{key_depth} and values of \
             {value_batch}x{value_heads} heads of {rows} rows"
        )));
    }
    Ok(Sizes { batch, heads, key_heads, queries, keys, depth, width })
}

/// The strides of a mask over batch, head, query and key: 0 where it has one index.
fn strides(mask: &Tensor, sizes: Sizes) -> Result<[usize; 4]> {
    let scores = [sizes.batch, sizes.heads, sizes.queries, sizes.keys];
    let misfit =
        || OpError::invalid(format!("a mask of shape {} does not fit scores of {scores:?}", mask.shape()));
    let mut strides = [0; 4];
    let mut stride = 1;
    let missing = scores.len().checked_sub(mask.rank()).ok_or_else(misfit)?;
    for (axis, &dim) in mask.shape().iter().enumerate().rev() {
        if dim == scores[missing + axis] && dim != 1 {
            strides[missing + axis] = stride;
        } else if dim != 1 {
            return Err(misfit());
        }
        stride *= dim;
    }
    Ok(strides)
}
