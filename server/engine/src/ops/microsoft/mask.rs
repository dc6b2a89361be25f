//! What attention adds to its scores, from the forms of a mask that ONNX Runtime's operators take.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    ops::{Facts, Inputs, Op, Outputs, RunContext, one},
    value::{ElemType, Tensor, checked_len},
};

/// Makes `[batch or 1, 1, queries, keys]` of the scores `[batch, heads, queries, keys]` and, where it is given,
/// a mask: the number of keys `[batch]`; their ends, then their beginnings `[2 batch]`; or whether each key
/// counts, `[batch, keys]`, `[batch, queries, keys]` or `[batch, 1, longest, longest]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    /// Whether a query sees only the keys up to its own place, counted from the end.
    pub(super) causal: bool,
    /// What is added to the score of a key that does not count.
    pub(super) filter: f32,
}

impl Op for Mask {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), None)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let scores = inputs.tensor(0)?;
        let &[batch, _, queries, keys] = &scores.shape()[..] else {
            return Err(OpError::invalid(format!("expected scores of rank 4, got {}", scores.shape())));
        };
        let mask = inputs
            .opt_tensor(1)?
            .map(|mask| Ok::<_, OpError>((Form::of(mask, batch, (queries, keys))?, mask.to_ints()?)));
        let mask = mask.transpose()?;
        let rows = if mask.is_some() { batch } else { 1 };
        let shape = [rows, 1, queries, keys];
        let mut out = Vec::with_capacity(checked_len::<f32>(&shape)?);
        for place in 0..rows * queries {
            let (row, query) = (place / queries, place % queries);
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
        match scores.elem() {
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
        let scores = Tensor::from_vec(&shape[..], vec![0f32; shape.iter().product()]).unwrap();
        let given = given.map(|(shape, data)| Value::Tensor(Tensor::from_vec(shape, data.to_vec()).unwrap()));
        let inputs = Inputs::new(vec![Some(Value::Tensor(scores)), given]);
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
