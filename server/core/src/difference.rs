//! How far numbers are from those that were expected.

use half::{bf16, f16};

use crate::{DType, Error, Result, Tensor};

/// The largest difference of tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// By itself; infinite where a number came that is none.
    pub absolute: f64,
    /// As a part of the largest number expected.
    pub relative: f64,
}

impl Difference {
    /// How far `came` is from `expected`.
    ///
    /// # Errors
    /// `Internal` where type or shape are others, `InvalidArgument` for types that are no numbers.
    pub fn of(came: &Tensor, expected: &Tensor) -> Result<Self> {
        if came.shape() != expected.shape() || came.dtype() != expected.dtype() {
            return Err(Error::internal(format!(
                "an output is {}{}, expected {}{}",
                came.dtype().name(),
                came.shape(),
                expected.dtype().name(),
                expected.shape()
            )));
        }
        let (came, expected) = (numbers(came)?, numbers(expected)?);
        let largest = expected.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
        let mut absolute: f64 = 0.0;
        for (came, expected) in came.iter().zip(&expected) {
            let apart = if came == expected { 0.0 } else { (came - expected).abs() };
            // A number that is none is infinitely far, unless one was expected.
            let apart = if apart.is_nan() && !expected.is_nan() { f64::INFINITY } else { apart };
            absolute = absolute.max(apart);
        }
        Ok(Self { absolute, relative: if largest > 0.0 { absolute / largest } else { absolute } })
    }

    /// The larger of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { absolute: self.absolute.max(other.absolute), relative: self.relative.max(other.relative) }
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    fn each<const N: usize>(tensor: &Tensor, of: fn([u8; N]) -> f64) -> Vec<f64> {
        tensor.data().as_chunks::<N>().0.iter().map(|&bytes| of(bytes)).collect()
    }
    Ok(match tensor.dtype() {
        DType::F32 => each(tensor, |bytes| f64::from(f32::from_le_bytes(bytes))),
        DType::F64 => each(tensor, f64::from_le_bytes),
        DType::F16 => each(tensor, |bytes| f16::from_le_bytes(bytes).to_f64()),
        DType::BF16 => each(tensor, |bytes| bf16::from_le_bytes(bytes).to_f64()),
        DType::I64 => each(tensor, |bytes| i64::from_le_bytes(bytes) as f64),
        DType::I32 => each(tensor, |bytes| f64::from(i32::from_le_bytes(bytes))),
        other => return Err(Error::invalid(format!("outputs of {} are not compared", other.name()))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    fn floats(numbers: &[f32]) -> Tensor {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Tensor::new(DType::F32, Shape::new(&[numbers.len()]), bytes.into()).unwrap()
    }

    #[test]
    fn the_largest_difference_is_told() {
        let found = Difference::of(&floats(&[1.0, 2.5]), &floats(&[1.0, -2.0])).unwrap();
        assert_eq!((found.absolute, found.relative), (4.5, 2.25));
        let none = Difference::of(&floats(&[f32::NAN]), &floats(&[1.0])).unwrap();
        assert_eq!(none.absolute, f64::INFINITY);
        let same = Difference::of(&floats(&[f32::INFINITY, 1.0]), &floats(&[f32::INFINITY, 1.0])).unwrap();
        assert_eq!(same, Difference::default());
        assert!(Difference::of(&floats(&[1.0]), &floats(&[1.0, 2.0])).is_err());
    }
}
