//! Triton's classification extension: an output's largest values as `value:index[:label]` strings.

use girandole_core::{DType, Error, Result, Shape, Tensor, bytes_tensor};

use crate::values::Values;

/// The `top` largest values of each row of `tensor`, or of all of it where the model does not batch, as a
/// BYTES tensor of shape `[rows, n]`, or `[n]`; `n` is at most the number of values. Equal values go by index.
///
/// # Errors
/// `InvalidArgument` for an output whose elements are not numbers.
pub(crate) fn classify(tensor: &Tensor, top: usize, labels: &[String], batches: bool) -> Result<Tensor> {
    let values = Values::read(tensor).ok_or_else(|| {
        let dtype = tensor.dtype();
        Error::invalid(format!(
            "classification needs an output of numbers, this one is {dtype}; ask for it without"
        ))
    })?;
    let rows = if batches { tensor.shape().first().copied().unwrap_or(1) } else { 1 };
    let classes = tensor.elements().checked_div(rows).unwrap_or(0);
    let top = top.min(classes);
    let strings = (0..rows).flat_map(|row| values.top(row * classes, classes, top, labels));
    let strings: Vec<String> = strings.collect();
    let shape = if batches { Shape::new(&[rows, top]) } else { Shape::new(&[top]) };
    Tensor::new(DType::Bytes, shape, bytes_tensor::encode(strings.iter().map(String::as_bytes)))
}

impl Values {
    /// The strings of the `top` largest among `classes` values from `start` on.
    fn top(&self, start: usize, classes: usize, top: usize, labels: &[String]) -> Vec<String> {
        let order = match self {
            Self::Signed(values) => largest(&values[start..start + classes], top, Ord::cmp),
            Self::Unsigned(values) => largest(&values[start..start + classes], top, Ord::cmp),
            Self::Float(values) => largest(&values[start..start + classes], top, compare_floats),
        };
        order.into_iter().map(|class| self.describe(start + class, class, labels)).collect()
    }

    fn describe(&self, at: usize, class: usize, labels: &[String]) -> String {
        let value = match self {
            Self::Signed(values) => values[at].to_string(),
            Self::Unsigned(values) => values[at].to_string(),
            // As C's %f has it, which is what Triton's clients parse.
            Self::Float(values) if values[at].is_nan() => "nan".to_owned(),
            Self::Float(values) => format!("{:.6}", values[at]),
        };
        match labels.get(class) {
            Some(label) => format!("{value}:{class}:{label}"),
            None => format!("{value}:{class}"),
        }
    }
}

/// The indices of the `top` largest values, largest first.
fn largest<T>(values: &[T], top: usize, compare: impl Fn(&T, &T) -> std::cmp::Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let descending = |a: &usize, b: &usize| compare(&values[*b], &values[*a]).then(a.cmp(b));
    if top > 0 && top < order.len() {
        order.select_nth_unstable_by(top - 1, descending);
    }
    order.truncate(top);
    order.sort_unstable_by(descending);
    order
}

/// Numbers by size; what is no number comes last.
fn compare_floats(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn floats(dims: &[usize], values: &[f32]) -> Tensor {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::new(DType::F32, Shape::new(dims), Bytes::from(data)).unwrap()
    }

    fn strings(tensor: &Tensor) -> Vec<&str> {
        bytes_tensor::iter(tensor.data()).map(|element| std::str::from_utf8(element).unwrap()).collect()
    }

    #[test]
    fn each_row_has_its_own_top() {
        let labels = ["cat".to_owned(), "dog".to_owned()];
        let tensor = floats(&[2, 3], &[0.1, 0.7, 0.2, 3.0, -1.0, 5.5]);
        let answer = classify(&tensor, 2, &labels, true).unwrap();
        assert_eq!(answer.shape()[..], [2, 2]);
        assert_eq!(strings(&answer), ["0.700000:1:dog", "0.200000:2", "5.500000:2", "3.000000:0:cat"]);
    }

    #[test]
    fn without_a_batch_all_values_compete_and_n_is_capped() {
        let answer = classify(&floats(&[2, 1], &[1.0, 2.0]), 9, &[], false).unwrap();
        assert_eq!(answer.shape()[..], [2]);
        assert_eq!(strings(&answer), ["2.000000:1", "1.000000:0"]);
    }

    #[test]
    fn what_is_no_number_comes_last_and_equals_go_by_index() {
        let tensor = floats(&[1, 4], &[f32::NAN, 1.0, f32::INFINITY, 1.0]);
        let answer = classify(&tensor, 4, &[], true).unwrap();
        assert_eq!(strings(&answer), ["inf:2", "1.000000:1", "1.000000:3", "nan:0"]);
    }

    #[test]
    fn integers_stay_exact() {
        let data: Vec<u8> = [i64::MIN, i64::MAX].iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensor = Tensor::new(DType::I64, Shape::new(&[1, 2]), Bytes::from(data)).unwrap();
        assert_eq!(strings(&classify(&tensor, 1, &[], true).unwrap()), ["9223372036854775807:1"]);
    }

    #[test]
    fn strings_and_booleans_cannot_be_classified() {
        let tensor = Tensor::new(DType::Bool, Shape::new(&[1, 1]), Bytes::from_static(&[1])).unwrap();
        assert!(classify(&tensor, 1, &[], true).unwrap_err().message().contains("BOOL"));
    }

    #[test]
    fn an_output_without_elements_has_no_classes() {
        assert_eq!(classify(&floats(&[2, 0], &[]), 3, &[], true).unwrap().shape()[..], [2, 0]);
    }
}
