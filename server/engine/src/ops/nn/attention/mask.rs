//! Which keys a query may see, and what is added to their scores.

use smallvec::SmallVec;

use crate::{
    error::{OpError, Result},
    kernels::real::Real,
    ops::Inputs,
    value::{Bool, ElemType, Tensor},
};

use super::{
    super::{broadcast, real},
    Attention, Operands,
};

/// See the module.
pub(super) struct Mask<T> {
    bias: Option<Bias<T>>,
    /// For each batch, how many keys more than its own number the first query may see.
    causal: Option<Vec<i64>>,
    /// For each batch, the keys that count.
    valid: Option<Vec<usize>>,
}

/// What is added to each score, broadcast; minus infinity hides it.
struct Bias<T> {
    values: Vec<T>,
    strides: SmallVec<[usize; 6]>,
    /// Keys that it reaches; those behind are hidden.
    reach: usize,
}

impl<T: Real> Mask<T> {
    pub(super) fn new(op: &Attention, inputs: &Inputs, operands: &Operands<'_, T>) -> Result<Self> {
        let (queries, keys) = (&operands.queries, &operands.keys);
        let valid =
            inputs.opt_tensor(6)?.map(|lens| valid_keys(lens, queries.batch, keys.len)).transpose()?;
        let causal = op.causal.then(|| match &valid {
            Some(valid) => valid.iter().map(|&valid| signed(valid) - signed(queries.len)).collect(),
            None => vec![signed(operands.past); queries.batch],
        });
        let shape = [queries.batch, queries.heads, queries.len, keys.len];
        let bias = inputs.opt_tensor(3)?.map(|mask| Bias::new(mask, &shape, op.padded_mask)).transpose()?;
        Ok(Self { bias, causal, valid })
    }

    /// Adds the bias of query `row` to its scores, and hides the keys that it may not see.
    pub(super) fn apply(&self, batch: usize, head: usize, row: usize, scores: &mut [T]) {
        if let Some(bias) = &self.bias {
            let reach = bias.reach;
            scores
                .iter_mut()
                .take(reach)
                .enumerate()
                .for_each(|(key, v)| *v += bias.at([batch, head, row, key]));
            scores.iter_mut().skip(reach).for_each(|v| *v = T::neg_infinity());
        }
        let end = self.end(batch, row);
        scores.iter_mut().skip(end).for_each(|v| *v = T::neg_infinity());
    }

    /// Hides again what [`Self::apply`] hid.
    pub(super) fn hide(&self, batch: usize, head: usize, row: usize, scores: &mut [T]) {
        let end = self.end(batch, row);
        for (key, score) in scores.iter_mut().enumerate() {
            let bias = self.bias.as_ref();
            let hidden =
                bias.is_some_and(|b| key >= b.reach || b.at([batch, head, row, key]) == T::neg_infinity());
            if hidden || key >= end {
                *score = T::neg_infinity();
            }
        }
    }

    /// The first key that query `row` may not see for its place.
    fn end(&self, batch: usize, row: usize) -> usize {
        let causal = self.causal.as_ref().map(|offsets| offsets[batch] + signed(row) + 1);
        let causal = causal.map_or(usize::MAX, |end| usize::try_from(end).unwrap_or(0));
        causal.min(self.valid.as_ref().map_or(usize::MAX, |valid| valid[batch]))
    }
}

impl<T: Real> Bias<T> {
    fn new(mask: &Tensor, scores: &[usize; 4], padded: bool) -> Result<Self> {
        let [batch, heads, rows, keys] = *scores;
        let own = mask.shape().last().copied().unwrap_or(1);
        let reach = if padded && own < keys { own } else { keys };
        let dense = real::dense_strides(mask.shape());
        let strides = broadcast::strides(mask.shape(), &dense, &[batch, heads, rows, reach])?;
        let values = match mask.elem() {
            ElemType::Bool => {
                let hidden = |seen: &Bool| if seen.get() { T::zero() } else { T::neg_infinity() };
                mask.view::<Bool>()?.iter().map(hidden).collect()
            }
            _ => real::elements::<T>(mask)?.to_vec(),
        };
        Ok(Self { values, strides, reach })
    }

    fn at(&self, place: [usize; 4]) -> T {
        self.values[place.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum::<usize>()]
    }
}

fn valid_keys(lens: &Tensor, batch: usize, keys: usize) -> Result<Vec<usize>> {
    let valid = |len: i64| usize::try_from(len).ok().filter(|&len| len <= keys);
    let lens = lens.to_ints()?;
    let all: Option<Vec<usize>> = lens.iter().map(|&len| valid(len)).collect();
    all.filter(|all| all.len() == batch).ok_or_else(|| {
        OpError::invalid(format!("expected {batch} numbers of at most {keys} keys, got {lens:?}"))
    })
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX / 4)
}
