//! Attention over heads that are read where projections left them: `[Q, K, V, mask]`, the mask left out or
//! broadcast to `[batch, heads, queries, keys]`. The answer is `[batch, heads, queries, width]` or
//! `[batch, queries, heads, width]`.

mod operand;

use girandole_kernels::attention::{self as kernel, Mask, Sizes};
pub(crate) use kernel::{Masking, Order, Unseen};
pub(super) use operand::join;
pub(crate) use operand::{Axis, Operand, Place, sizes};

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor, checked_len},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) query: Operand,
    pub(crate) key: Operand,
    pub(crate) value: Operand,
    /// Multiplied with the products of queries and keys.
    pub(crate) scale: f32,
    /// What the mask does.
    pub(crate) masking: Masking,
    /// Whether a query sees only the keys up to its own place, counted from the end.
    pub(crate) causal: bool,
    pub(crate) unseen: Unseen,
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
        let mask = inputs.opt_tensor(3)?;
        let sizes = sizes(&places, mask.map_or(Ok([1; 4]), mask_sizes)?)?;
        let (query, key, value) = (query.view::<f32>()?, key.view::<f32>()?, value.view::<f32>()?);
        let numbers = mask.map(Tensor::view::<f32>).transpose()?;
        let strides = mask.map_or(Ok([0; 4]), mask_strides)?;
        let mask = numbers.as_deref().map(|data| Mask { masking: self.masking, data, strides });
        let [query_place, key_place, value_place] = places;
        let attention = kernel::Attention {
            sizes,
            query: query_place.heads(&query),
            key: key_place.heads(&key),
            value: value_place.heads(&value),
            scale: self.scale,
            mask,
            causal: self.causal.then(|| sizes.keys.cast_signed() - sizes.queries.cast_signed()),
            unseen: self.unseen,
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

/// The dimensions of a mask, those that it lacks as 1.
fn mask_sizes(mask: &Tensor) -> Result<[usize; 4]> {
    let mut sizes = [1; 4];
    let missing = sizes.len().checked_sub(mask.rank());
    let missing = missing.ok_or_else(|| {
        OpError::invalid(format!("expected a mask of rank 4 at most, got shape {}", mask.shape()))
    })?;
    sizes[missing..].copy_from_slice(mask.shape());
    Ok(sizes)
}

/// Elements of a mask from one sequence, head, query and key to the next: 0 where it has one index.
fn mask_strides(mask: &Tensor) -> Result<[usize; 4]> {
    let (sizes, mut strides, mut stride) = (mask_sizes(mask)?, [0; 4], 1);
    for (own, size) in strides.iter_mut().zip(sizes).rev().filter(|(_, size)| *size != 1) {
        *own = stride;
        stride *= size;
    }
    Ok(strides)
}
