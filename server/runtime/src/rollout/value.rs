//! Which number of an answer is looked at: one of each, so that a large answer counts no more than a small one, and
//! samples do not hang together.

use girandole_core::{DType, NamedTensor, Tensor, bytes_tensor};
use girandole_rollout::{category_bucket, value_bucket};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::values::Values;

/// Texts of an answer that are looked at; to find one, those before it have to be passed.
const TEXTS: usize = 64;

/// How answers are read.
pub(super) struct Reading {
    /// The output that is read; any where none is named.
    output: Option<String>,
    /// What numbers are rounded to multiples of.
    resolution: Option<f64>,
}

impl Reading {
    pub(super) fn new(output: Option<String>, resolution: Option<f64>) -> Self {
        Self { output, resolution }
    }

    /// The bucket of the element that this answer is read at; answers are numbered. Chosen by hash, for a plain turn
    /// could go in step with the requests.
    pub(super) fn bucket(&self, outputs: &[NamedTensor], answer: u64) -> Option<usize> {
        let chance = xxh3_64(&answer.to_le_bytes());
        let tensor = match &self.output {
            Some(name) => outputs.iter().find(|output| output.name == *name)?,
            None => outputs.get(below(chance, outputs.len())?)?,
        };
        self.element(&tensor.tensor, xxh3_64_with_seed(&answer.to_le_bytes(), 1))
    }

    fn element(&self, tensor: &Tensor, chance: u64) -> Option<usize> {
        match tensor.dtype() {
            DType::Bytes => {
                let index = below(chance, tensor.elements().min(TEXTS))?;
                let text = bytes_tensor::iter(tensor.data()).nth(index)?;
                Some(category_bucket(xxh3_64(text)))
            }
            DType::Bool => {
                let flag = tensor.data().get(below(chance, tensor.elements())?)?;
                Some(value_bucket(f64::from(*flag)))
            }
            _ => {
                let value = Values::one(tensor, below(chance, tensor.elements())?)?;
                Some(value_bucket(self.rounded(value)))
            }
        }
    }

    fn rounded(&self, value: f64) -> f64 {
        self.resolution.map_or(value, |resolution| (value / resolution).round() * resolution)
    }
}

/// A number below `count`; `None` where there is none.
fn below(chance: u64, count: usize) -> Option<usize> {
    chance.checked_rem(count as u64).map(|index| index as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use girandole_core::Shape;

    use super::*;

    fn named(name: &str, dtype: DType, count: usize, data: Vec<u8>) -> NamedTensor {
        NamedTensor::new(name, Tensor::new(dtype, Shape::new(&[count]), Bytes::from(data)).unwrap())
    }

    fn buckets(output: Option<&str>, outputs: &[NamedTensor]) -> BTreeSet<usize> {
        let reading = Reading::new(output.map(str::to_owned), None);
        (0..100).filter_map(|answer| reading.bucket(outputs, answer)).collect()
    }

    #[test]
    fn every_element_of_every_output_has_its_turn() {
        let floats = [1.0f32, 2.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let score = named("score", DType::F32, 3, floats);
        let flag = named("flag", DType::Bool, 2, vec![0, 1]);
        let label = named("label", DType::Bytes, 1, bytes_tensor::encode([&b"cat"[..]]).to_vec());
        let numbers: BTreeSet<_> = [1.0, 2.0, 4.0].map(value_bucket).into();
        let flags: BTreeSet<_> = [0.0, 1.0].map(value_bucket).into();
        let text = category_bucket(xxh3_64(b"cat"));
        let outputs = [score, flag, label];
        assert_eq!(buckets(Some("score"), &outputs), numbers);
        assert_eq!(buckets(Some("flag"), &outputs), flags);
        assert_eq!(buckets(Some("label"), &outputs), [text].into());
        assert_eq!(buckets(None, &outputs), &(&numbers | &flags) | &[text].into());
    }

    #[test]
    fn numbers_that_round_to_the_same_are_the_same() {
        let read = |value: f32| {
            let outputs = [named("y", DType::F32, 1, value.to_le_bytes().to_vec())];
            Reading::new(None, Some(0.1)).bucket(&outputs, 0)
        };
        assert_eq!((read(1e-3), read(0.28)), (read(-1e-6), read(0.31)));
        assert_ne!(read(0.28), read(0.21));
    }

    #[test]
    fn nothing_is_read_where_nothing_is() {
        assert!(buckets(None, &[]).is_empty());
        assert!(buckets(Some("other"), &[named("y", DType::Bool, 1, vec![1])]).is_empty());
        assert!(buckets(None, &[named("y", DType::F32, 0, Vec::new())]).is_empty());
    }
}
