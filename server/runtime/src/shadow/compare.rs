//! How far two versions' outputs are apart. Pure.

use girandole_core::Tensor;

use crate::values::Values;

/// The largest difference of two elements, relative to 1 or to the larger of the two; infinite where shapes or types
/// differ, or what is no number does. What is NaN in both is the same.
pub(super) fn difference(one: &[Tensor], other: &[Tensor]) -> f64 {
    if one.len() != other.len() {
        return f64::INFINITY;
    }
    one.iter().zip(other).map(|(a, b)| of_tensors(a, b)).fold(0.0, f64::max)
}

fn of_tensors(a: &Tensor, b: &Tensor) -> f64 {
    if a == b {
        return 0.0;
    }
    if (a.dtype(), a.shape()) != (b.dtype(), b.shape()) {
        return f64::INFINITY;
    }
    let (Some(a), Some(b)) = (Values::read(a), Values::read(b)) else { return f64::INFINITY };
    a.floats().into_iter().zip(b.floats()).map(|(a, b)| of_numbers(a, b)).fold(0.0, f64::max)
}

fn of_numbers(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let difference = (a - b).abs() / a.abs().max(b.abs()).max(1.0);
    if difference.is_nan() { f64::INFINITY } else { difference }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use bytes::Bytes;
    use girandole_core::{DType, Shape, bytes_tensor};

    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::new(DType::F32, Shape::new(&[values.len()]), Bytes::from(data)).unwrap()
    }

    fn texts(values: &[&str]) -> Tensor {
        let data = bytes_tensor::encode(values.iter().map(|text| text.as_bytes()));
        Tensor::new(DType::Bytes, Shape::new(&[values.len()]), data).unwrap()
    }

    #[test]
    fn the_largest_difference_counts() {
        let infinite = f64::INFINITY;
        for (one, other, expected) in [
            (floats(&[1.0, 2.0]), floats(&[1.0, 2.0]), 0.0),
            (floats(&[0.0, 100.0]), floats(&[0.25, 101.0]), 0.25),
            (floats(&[100.0]), floats(&[50.0]), 0.5),
            (floats(&[f32::NAN]), floats(&[f32::NAN]), 0.0),
            (floats(&[f32::NAN]), floats(&[1.0]), infinite),
            (floats(&[f32::INFINITY]), floats(&[f32::INFINITY]), 0.0),
            (floats(&[f32::INFINITY]), floats(&[1.0]), infinite),
            (floats(&[1.0]), floats(&[1.0, 1.0]), infinite),
            (texts(&["a"]), texts(&["a"]), 0.0),
            (texts(&["a"]), texts(&["b"]), infinite),
            (texts(&["a"]), floats(&[1.0]), infinite),
        ] {
            assert_eq!(difference(from_ref(&one), from_ref(&other)), expected, "{one:?} {other:?}");
        }
        assert_eq!(difference(&[], &[floats(&[1.0])]), infinite);
    }
}
