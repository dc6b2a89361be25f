//! What is read out of files: texts of a bounded size, and the floats of a tensor.

use std::{
    io::{self, ErrorKind, Read, SeekFrom},
    path::Path,
};

use ::safetensors::tensor::{Dtype, TensorInfo};
use girandole_core::{DType, Files, Shape, Source};
use half::{bf16, f16};

use crate::{
    error::{OpError, Result, unreadable},
    value::{Element, Tensor, checked_len, from_reader},
};

/// How a tensor's elements are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    AsStored,
    /// A matrix with rows and columns exchanged: PyTorch's `Linear` has `[out, in]`, a product wants `[in, out]`.
    Transposed,
}

impl Layout {
    pub(super) fn of(self, tensor: Tensor) -> Result<Tensor> {
        match (self, &tensor.shape()[..]) {
            (Self::AsStored, _) => Ok(tensor),
            (Self::Transposed, &[rows, columns]) => transposed(&tensor, rows, columns),
            (Self::Transposed, _) => {
                Err(OpError::invalid(format!("expected a matrix, got shape {}", tensor.shape())))
            }
        }
    }
}

fn transposed(tensor: &Tensor, rows: usize, columns: usize) -> Result<Tensor> {
    /// Rows whose elements of one column are written together, so that they share lines of the cache.
    const BLOCK: usize = 16;
    let from = tensor.view::<f32>()?;
    let mut turned = vec![0.0; from.len()];
    for block in (0..rows).step_by(BLOCK) {
        for column in 0..columns {
            for row in block..rows.min(block + BLOCK) {
                turned[column * rows + row] = from[row * columns + column];
            }
        }
    }
    Tensor::from_vec(vec![columns, rows], turned)
}

/// The elements of a tensor that begins at this byte, as `f32`.
pub(super) fn floats(file: &mut dyn Source, begin: u64, info: &TensorInfo) -> Result<Tensor> {
    let shape = Shape::new(&info.shape);
    // Before any is read: what is converted takes more than it does in the file.
    checked_len::<f32>(&shape)?;
    file.seek(SeekFrom::Start(begin)).map_err(|error| unreadable("the model's file", &error))?;
    let (first, last) = info.data_offsets;
    let bytes = last.saturating_sub(first) as u64;
    let mut read = |dtype| from_reader(dtype, &shape, bytes, &mut file.take(bytes));
    match info.dtype {
        Dtype::F32 => read(DType::F32),
        Dtype::F16 => widened::<f16>(&read(DType::F16)?, f16::to_f32),
        Dtype::BF16 => widened::<bf16>(&read(DType::BF16)?, bf16::to_f32),
        other => Err(OpError::unsupported(format!(
            "its elements are {other:?}; weights are read from F32, F16 and BF16 (in PyTorch: model.float())"
        ))),
    }
}

fn widened<T: Element + Copy>(tensor: &Tensor, widen: fn(T) -> f32) -> Result<Tensor> {
    let elements = tensor.view::<T>()?;
    Tensor::from_vec(tensor.shape().clone(), elements.iter().map(|&element| widen(element)).collect())
}

/// The text of a file beside the model of at most `most` bytes; `None` where there is no such file.
///
/// # Errors
/// `Invalid` where it is longer or no text, `Placed` where it cannot be read.
pub(crate) fn text_beside(files: &dyn Files, name: &str, most: u64) -> Result<Option<String>> {
    match files.beside(Path::new(name)) {
        Ok(file) => text(file, name, most).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&format!("'{name}'"), &error).into()),
    }
}

/// As [`text_beside`], of an open file.
pub(super) fn text(file: Box<dyn Source>, name: &str, most: u64) -> Result<String> {
    let mut text = String::new();
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::InvalidData if error.get_ref().is_none() => {
            OpError::invalid(format!("'{name}' is no UTF-8 text"))
        }
        _ => unreadable(&format!("'{name}'"), &error).into(),
    };
    file.take(most + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 <= most {
        return Ok(text);
    }
    Err(OpError::invalid(format!("'{name}' has more than {most} bytes")))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn info(dtype: Dtype, shape: &[usize], bytes: usize) -> TensorInfo {
        TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (10, 10 + bytes) }
    }

    #[test]
    fn halves_become_floats() {
        let halves = [0x00, 0x3c, 0x00, 0xc0, 0xc0, 0x3f];
        let read = |begin, dtype, count| {
            let tensor =
                floats(&mut Cursor::new(halves.to_vec()), begin, &info(dtype, &[count], 2 * count)).unwrap();
            tensor.to_vec::<f32>().unwrap()
        };
        assert_eq!(read(0, Dtype::F16, 2), [1.0, -2.0]);
        assert_eq!(read(4, Dtype::BF16, 1), [1.5]);
    }

    #[test]
    fn what_is_no_float_or_too_large_is_refused() {
        let mut file = Cursor::new(vec![0; 8]);
        let error = floats(&mut file, 0, &info(Dtype::F64, &[1], 8)).unwrap_err();
        assert!(error.to_string().contains("F64"), "{error}");
        let huge = info(Dtype::F16, &[1 << 40], 2 << 40);
        assert!(matches!(floats(&mut file, 0, &huge), Err(OpError::TooLarge(_))));
        assert!(floats(&mut file, 4, &info(Dtype::F32, &[2], 8)).is_err());
    }

    #[test]
    fn a_matrix_is_transposed() {
        let tensor = Tensor::from_vec(vec![17, 3], (0..51u8).map(f32::from).collect()).unwrap();
        let turned = Layout::Transposed.of(tensor).unwrap();
        assert_eq!(turned.shape()[..], [3, 17]);
        assert_eq!(turned.to_vec::<f32>().unwrap()[17..20], [1.0, 4.0, 7.0]);
        let vector = Tensor::from_vec(vec![2], vec![0f32; 2]).unwrap();
        assert!(Layout::Transposed.of(vector).is_err());
    }
}
