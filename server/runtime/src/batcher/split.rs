//! A batch's outputs back into each caller's own rows: slices, no copies.
//!
//! Invariant: the shares are cut one after the other from the first row on, so no row goes to two callers,
//! and none is left over.

use girandole_core::{Error, ModelSpec, Result, Tensor};

/// What one caller has in a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    /// Its rows.
    pub(crate) rows: usize,
    /// Indices of the outputs it asked for, in its order.
    pub(crate) outputs: &'a [usize],
}

/// Each caller's tensors, from the batch's outputs `computed` (their indices, ascending).
///
/// # Errors
/// `Internal` where the session gave other outputs than asked for, or an output of a batching model has no
/// row for each row of input. Triton too fails such a batch: whose elements they are cannot be known.
pub(crate) fn split(
    tensors: &[Tensor],
    computed: &[usize],
    shares: &[Share<'_>],
    spec: &ModelSpec,
) -> Result<Vec<Vec<Tensor>>> {
    check(tensors, computed, shares, spec)?;
    let mut start = 0;
    let mut answers = Vec::with_capacity(shares.len());
    for share in shares {
        let own = |index: &usize| {
            let tensor = computed.binary_search(index).ok().and_then(|position| tensors.get(position));
            let tensor = tensor.ok_or_else(|| Error::internal("an output that was asked for is missing"))?;
            if spec.batches() && shares.len() > 1 {
                tensor.rows(start, share.rows)
            } else {
                Ok(tensor.clone())
            }
        };
        answers.push(share.outputs.iter().map(own).collect::<Result<_>>()?);
        start += share.rows;
    }
    Ok(answers)
}

fn check(tensors: &[Tensor], computed: &[usize], shares: &[Share<'_>], spec: &ModelSpec) -> Result<()> {
    if tensors.len() != computed.len() {
        let (asked, came) = (computed.len(), tensors.len());
        return Err(Error::internal(format!("the session was asked for {asked} outputs and gave {came}")));
    }
    if !spec.batches() {
        return Ok(());
    }
    let rows: usize = shares.iter().map(|share| share.rows).sum();
    for (tensor, &index) in tensors.iter().zip(computed) {
        if tensor.shape().first() != Some(&rows) {
            let name = spec.outputs.get(index).map_or("", |output| &output.name);
            return Err(Error::internal(format!(
                "output '{name}' has shape {} for a batch of {rows} rows: the model does not keep the batch as \
                 its first dimension; set max_batch_size to 0",
                tensor.shape()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use girandole_core::{DType, ErrorCode, Shape};

    use super::*;
    use crate::batcher::testing::spec;

    fn tensor(dims: &[usize], data: &[u8]) -> Tensor {
        Tensor::new(DType::U8, Shape::new(dims), Bytes::copy_from_slice(data)).unwrap()
    }

    fn bytes(answers: &[Vec<Tensor>]) -> Vec<Vec<Vec<u8>>> {
        answers.iter().map(|own| own.iter().map(|t| t.data().to_vec()).collect()).collect()
    }

    #[test]
    fn each_gets_its_rows_of_what_it_asked_for_in_its_order() {
        let tensors = [tensor(&[3, 1], &[1, 2, 3]), tensor(&[3, 1], &[7, 8, 9])];
        let shares = [Share { rows: 1, outputs: &[2] }, Share { rows: 2, outputs: &[2, 0] }];
        let answers = split(&tensors, &[0, 2], &shares, &spec(8)).unwrap();
        assert_eq!(bytes(&answers), [vec![vec![7]], vec![vec![8, 9], vec![2, 3]]]);
    }

    #[test]
    fn an_output_without_the_rows_is_an_error_that_names_it() {
        let shares = [Share { rows: 2, outputs: &[0] }];
        let error = split(&[tensor(&[1, 1], &[1])], &[0], &shares, &spec(8)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Internal);
        assert!(error.message().starts_with("output 'y0' has shape [1,1] for a batch of 2 rows"), "{error}");
    }

    #[test]
    fn a_model_without_a_batch_gives_what_it_gives() {
        let shares = [Share { rows: 1, outputs: &[0] }];
        let answers = split(&[tensor(&[3], &[1, 2, 3])], &[0], &shares, &spec(0)).unwrap();
        assert_eq!(bytes(&answers), [vec![vec![1, 2, 3]]]);
    }

    #[test]
    fn a_missing_output_is_an_error() {
        let shares = [Share { rows: 1, outputs: &[0] }];
        assert!(split(&[], &[0], &shares, &spec(8)).is_err());
    }
}
