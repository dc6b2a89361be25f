//! A tensor as it travels: element type, shape and the wire's own bytes, shared and never copied.
//!
//! Invariant: the data is row-major, little-endian and exactly as long as type and shape say; for `BYTES`
//! it holds exactly as many length-prefixed elements as the shape has. [`Tensor::new`] checks it.

use bytes::Bytes;

use crate::{DType, Error, Result, Shape, bytes_tensor};

/// An immutable tensor over reference-counted bytes of any alignment.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: DType,
    shape: Shape,
    data: Bytes,
}

impl Tensor {
    /// A tensor over `data`.
    ///
    /// # Errors
    /// `InvalidArgument` where the shape's product overflows or the data's length does not fit.
    pub fn new(dtype: DType, shape: Shape, data: Bytes) -> Result<Self> {
        let elements = shape.elements().ok_or_else(|| {
            Error::invalid(format!("shape {shape} has more elements than can be addressed"))
        })?;
        match dtype.size() {
            Some(size) => check_len(dtype, &shape, elements.checked_mul(size), data.len())?,
            None => bytes_tensor::check(&data, elements)?,
        }
        Ok(Self { dtype, shape, data })
    }

    /// The element type.
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// The shape.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements as the wire has them.
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.elements().unwrap_or(0)
    }

    /// Rows `start..start + rows` of the first dimension, sharing this tensor's bytes.
    ///
    /// # Errors
    /// `Internal` where the range is outside the tensor, or the tensor is a scalar.
    pub fn rows(&self, start: usize, rows: usize) -> Result<Self> {
        let all = self.shape.first().copied().unwrap_or(0);
        let end = start.checked_add(rows).filter(|&end| end <= all);
        let (Some(end), Some(row)) = (end, self.shape.row_elements()) else {
            return Err(Error::internal(format!(
                "no rows {start}+{rows} in a tensor of shape {}",
                self.shape
            )));
        };
        let data = match self.dtype.size() {
            Some(size) => self.data.slice(start * row * size..end * row * size),
            None => bytes_tensor::slice(&self.data, start * row, end * row)?,
        };
        Ok(Self { dtype: self.dtype, shape: self.shape.with_rows(rows), data })
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{} ({} bytes)", self.dtype, self.shape, self.data.len())
    }
}

fn check_len(dtype: DType, shape: &Shape, expected: Option<usize>, came: usize) -> Result<()> {
    match expected {
        Some(expected) if expected == came => Ok(()),
        Some(expected) => {
            Err(Error::invalid(format!("{dtype} data of shape {shape} takes {expected} bytes, got {came}")))
        }
        None => Err(Error::invalid(format!("shape {shape} of {dtype} is larger than can be addressed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_length_names_both_lengths() {
        let error = Tensor::new(DType::F32, Shape::new(&[2]), Bytes::from_static(&[0; 7])).unwrap_err();
        assert_eq!(error.message(), "FP32 data of shape [2] takes 8 bytes, got 7");
    }

    #[test]
    fn rows_share_the_bytes() {
        let data = Bytes::from_static(&[1, 2, 3, 4, 5, 6]);
        let tensor = Tensor::new(DType::U8, Shape::new(&[3, 2]), data.clone()).unwrap();
        let rows = tensor.rows(1, 2).unwrap();
        assert_eq!(rows.data(), &data.slice(2..));
        assert_eq!(rows.data().as_ptr(), data.slice(2..).as_ptr());
        assert!(tensor.rows(2, 2).is_err());
    }

    #[test]
    fn rows_of_strings_follow_their_prefixes() {
        let data = bytes_tensor::encode([&b"a"[..], b"bcd", b""]);
        let tensor = Tensor::new(DType::Bytes, Shape::new(&[3]), data).unwrap();
        let rows = tensor.rows(1, 2).unwrap();
        let elements: Vec<_> = bytes_tensor::iter(rows.data()).collect();
        assert_eq!(elements, [&b"bcd"[..], b""]);
    }
}
