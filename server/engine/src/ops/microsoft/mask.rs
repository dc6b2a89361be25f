//! What attention adds to its scores, from the forms of a mask that ONNX Runtime's operators take.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor, checked_len},
};

/// Makes `[batch or 1, 1, queries or 1, keys]` of the mask that is given: the number of keys `[batch]`; their
/// ends, then their beginnings `[2 batch]`; or whether each key counts, `[batch, keys]`,
/// `[batch, queries, keys]` or `[batch, 1, longest, longest]`.
///
/// Inputs: tensors that are as long as there are queries and keys and, where there are any, earlier keys, in
/// the last dimension but one; of the first also the batch and the element type. Then the mask, which may be
/// left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    /// Whether a query sees only the keys up to its own place, counted from the end.
    pub(crate) causal: bool,
    /// What is added to the score of a key that does not count.
    pub(super) filter: f32,
}

impl Mask {
    /// The input that is the mask.
    pub(crate) const GIVEN: usize = 3;
}

/// The length of the values that a mask is for.
fn length<T>(shape: &[T]) -> Option<&T> {
    shape.iter().rev().nth(1)
}

fn length_of(tensor: &Tensor) -> Result<usize> {
    let misfit = || OpError::invalid(format!("expected values of attention, got shape {}", tensor.shape()));
    length(tensor.shape()).copied().ok_or_else(misfit)
}

impl Op for Mask {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let of = |i: usize| inputs.shape(i).and_then(|shape| length(shape)).cloned();
        let (queries, keys) = (of(0).unwrap_or(SymDim::Unknown), of(1).unwrap_or(SymDim::Unknown));
        let given = inputs.get(Self::GIVEN);
        let batch = given.map_or(Some(SymDim::Known(1)), |_| inputs.shape(0)?.first().cloned());
        let one_for_all =
            !self.causal && given.is_some_and(|given| given.rank().is_some_and(|rank| rank < 3));
        let shape = vec![
            batch.unwrap_or(SymDim::Unknown),
            SymDim::Known(1),
            if one_for_all { SymDim::Known(1) } else { queries },
            if inputs.get(2).is_some() { SymDim::Unknown } else { keys },
        ];
        Ok(vec![Fact::tensor(inputs.elem(0), Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let like = inputs.tensor(0)?;
        let (batch, queries) = (like.shape().first().copied().unwrap_or(1), length_of(like)?);
        let past = inputs.opt_tensor(2)?.map_or(Ok(0), length_of)?;
        let keys = length_of(inputs.tensor(1)?)?.saturating_add(past);
        let mask = inputs
            .opt_tensor(Self::GIVEN)?
            .map(|mask| Ok::<_, OpError>((Form::of(mask, batch, (queries, keys))?, mask.to_ints()?)));
        let mask = mask.transpose()?;
        let by_query = self.causal || mask.as_ref().is_none_or(|(form, _)| form.is_by_query());
        let shape = [if mask.is_some() { batch } else { 1 }, 1, if by_query { queries } else { 1 }, keys];
        let mut out = Vec::with_capacity(checked_len::<f32>(&shape)?);
        for place in 0..shape[0] * shape[2] {
            let (row, query) = (place / shape[2], place % shape[2]);
            out.extend((0..keys).map(|key| {
                let later = self.causal && key + queries > query + keys;
                let counts = mask.as_ref().is_none_or(|(form, mask)| form.counts(mask, row, (query, key)));
                match (later, counts) {
                    (true, _) => f32::MIN,
                    (false, true) => 0.0,
                    (false, false) => self.filter,
                }
            }));
        }
        match like.elem() {
            ElemType::F16 => {
                let narrow = out.into_iter().map(|v| half::f16::from_f32(v).max(half::f16::MIN)).collect();
                one(Tensor::from_vec::<half::f16>(&shape[..], narrow)?)
            }
            _ => one(Tensor::from_vec(&shape[..], out)?),
        }
    }
}

/// The form of a mask; lengths are of a row's entries.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// The end of the keys.
    End,
    /// The end, and `batch` further on the beginning.
    EndAndBegin { batch: usize },
    /// By key.
    Keys { keys: usize },
    /// By query, of which there are `queries` with the first `past`, and key.
    Pairs { queries: usize, keys: usize, past: usize },
}

impl Form {
    fn of(mask: &Tensor, batch: usize, (asking, all_keys): (usize, usize)) -> Result<Self> {
        match mask.shape()[..] {
            [len] if len == batch => Ok(Self::End),
            [len] if len == 2 * batch => Ok(Self::EndAndBegin { batch }),
            [rows, keys] if rows == batch && keys >= all_keys => Ok(Self::Keys { keys }),
            [rows, queries, keys] if rows == batch && keys >= all_keys => {
                Ok(Self::Pairs { queries, keys, past: 0 })
            }
            // The longest sequence's square, of which the queries are the last rows so far.
            [rows, 1, longest, keys] if rows == batch && keys >= all_keys => {
                Ok(Self::Pairs { queries: longest, keys, past: all_keys.saturating_sub(asking) })
            }
            _ => Err(OpError::unsupported(format!(
                "a mask of shape {} is not supported for a batch of {batch} with {all_keys} keys",
                mask.shape()
            ))),
        }
    }

    /// Whether queries of a row may differ in the keys that count.
    const fn is_by_query(&self) -> bool {
        matches!(self, Self::Pairs { .. })
    }

    fn counts(self, mask: &[i64], row: usize, (query, key): (usize, usize)) -> bool {
        let at = |i: usize| mask.get(i).copied().unwrap_or(0);
        let place = key as i64;
        match self {
            Self::End => place < at(row),
            Self::EndAndBegin { batch } => place < at(row) && place >= at(batch + row),
            Self::Keys { keys } => at(row * keys + key) != 0,
            Self::Pairs { queries, keys, past } => at((row * queries + past + query) * keys + key) != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn made(mask: Mask, shape: [usize; 4], given: Option<(&[usize], &[i32])>) -> Vec<f32> {
        let [batch, heads, queries, keys] = shape;
        let values = |len: usize| {
            let shape = [batch, len, heads];
            Some(Value::Tensor(Tensor::from_vec(&shape[..], vec![0f32; shape.iter().product()]).unwrap()))
        };
        let given = given.map(|(shape, data)| Value::Tensor(Tensor::from_vec(shape, data.to_vec()).unwrap()));
        let inputs = Inputs::new(vec![values(queries), values(keys), None, given]);
        mask.eval(inputs, &RunContext::default()).unwrap()[0].tensor().unwrap().to_vec().unwrap()
    }

    #[test]
    fn every_form_says_which_keys_count() {
        let mask = Mask { causal: false, filter: -1.0 };
        let shape = [2, 1, 1, 3];
        assert_eq!(made(mask, shape, Some((&[2], &[1, 3]))), [0.0, -1.0, -1.0, 0.0, 0.0, 0.0]);
        assert_eq!(made(mask, shape, Some((&[4], &[2, 3, 1, 0]))), [-1.0, 0.0, -1.0, 0.0, 0.0, 0.0]);
        let by_key = [1, 0, 1, 0, 1, 1];
        let expected = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0];
        assert_eq!(made(mask, shape, Some((&[2, 3], &by_key))), expected);
        assert_eq!(made(mask, shape, Some((&[2, 1, 3], &by_key))), expected);
    }

    #[test]
    fn later_keys_are_hidden_counted_from_the_end() {
        let causal = made(Mask { causal: true, filter: -1.0 }, [1, 1, 2, 3], None);
        assert_eq!(causal, [0.0, 0.0, f32::MIN, 0.0, 0.0, 0.0]);
    }
}
