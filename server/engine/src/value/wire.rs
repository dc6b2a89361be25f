//! Between the wire's bytes, or a file's, and tensors: each input byte is copied once, into aligned storage.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use girandole_core::{DType, Shape, bytes_tensor, why};
use half::{bf16, f16};

use super::{
    ElemType, Tensor, Text, checked_len, dispatch,
    element::{Bool, Element},
};
use crate::error::{OpError, Result};

/// Where a tensor's bytes come from.
enum Origin<'a> {
    Parts(&'a [Bytes]),
    Reader { bytes: u64, from: &'a mut dyn Read },
}

/// A tensor of `shape` from the requests' own bytes, concatenated.
///
/// # Errors
/// `Invalid` where the parts do not make up the shape.
pub fn from_parts(dtype: DType, shape: &Shape, parts: &[Bytes]) -> Result<Tensor> {
    match dtype {
        DType::Bytes => Tensor::from_vec(shape.clone(), parts.iter().flat_map(texts).collect()),
        _ => tensor(dtype, shape, Origin::Parts(parts)),
    }
}

/// A tensor of `shape`, of numbers, from the next `bytes` bytes of a file, read straight into its storage.
///
/// # Errors
/// `Invalid` where they do not make up the shape, or cannot be read.
pub fn from_reader(dtype: DType, shape: &Shape, bytes: u64, from: &mut dyn Read) -> Result<Tensor> {
    tensor(dtype, shape, Origin::Reader { bytes, from })
}

fn tensor(dtype: DType, shape: &Shape, origin: Origin<'_>) -> Result<Tensor> {
    match dtype {
        DType::Bool => {
            let bytes: Vec<u8> = gather(shape, origin)?;
            Tensor::from_bools(shape.clone(), bytes.into_iter().map(|b| b != 0))
        }
        DType::U8 => numbers::<u8>(shape, origin),
        DType::U16 => numbers::<u16>(shape, origin),
        DType::U32 => numbers::<u32>(shape, origin),
        DType::U64 => numbers::<u64>(shape, origin),
        DType::I8 => numbers::<i8>(shape, origin),
        DType::I16 => numbers::<i16>(shape, origin),
        DType::I32 => numbers::<i32>(shape, origin),
        DType::I64 => numbers::<i64>(shape, origin),
        DType::F16 => numbers::<f16>(shape, origin),
        DType::BF16 => numbers::<bf16>(shape, origin),
        DType::F32 => numbers::<f32>(shape, origin),
        DType::F64 => numbers::<f64>(shape, origin),
        DType::Bytes => Err(OpError::invalid("strings are no numbers")),
    }
}

/// The wire's bytes of a tensor.
///
/// # Errors
/// `Unsupported` for an element type that does not travel.
pub fn to_wire(tensor: &Tensor) -> Result<girandole_core::Tensor> {
    let data = match tensor.elem() {
        ElemType::Bool => pod_bytes::<Bool>(tensor)?,
        ElemType::String => {
            let mut out = BytesMut::new();
            tensor.view::<Text>()?.iter().for_each(|text| bytes_tensor::push(&mut out, text));
            out.freeze()
        }
        ElemType::Mini(_) => match tensor.codes() {
            Some((_, codes)) => pod_bytes::<u8>(&codes)?,
            None => Bytes::new(),
        },
        elem => dispatch!(elem, Number, T => pod_bytes::<T>(tensor))?,
    };
    Ok(girandole_core::Tensor::new(tensor.elem().wire(), tensor.shape().clone(), data)?)
}

fn pod_bytes<T: Element + bytemuck::Pod>(tensor: &Tensor) -> Result<Bytes> {
    Ok(Bytes::copy_from_slice(bytemuck::cast_slice(&tensor.view::<T>()?)))
}

fn numbers<T: Element + bytemuck::Pod>(shape: &Shape, origin: Origin<'_>) -> Result<Tensor> {
    Tensor::from_vec(shape.clone(), gather::<T>(shape, origin)?)
}

/// All elements in one aligned vector.
fn gather<T: bytemuck::Pod>(shape: &Shape, origin: Origin<'_>) -> Result<Vec<T>> {
    let len = checked_len::<T>(shape)?;
    let came = origin.bytes();
    if came != (len * size_of::<T>()) as u64 {
        return Err(OpError::invalid(format!("{came} bytes do not make shape {shape}")));
    }
    let mut elements = vec![T::zeroed(); len];
    origin.copy_to(bytemuck::cast_slice_mut(&mut elements))?;
    Ok(elements)
}

impl Origin<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Parts(parts) => parts.iter().map(|part| part.len() as u64).sum(),
            Self::Reader { bytes, .. } => *bytes,
        }
    }

    /// Fills `to`, which is as long as what came.
    fn copy_to(self, mut to: &mut [u8]) -> Result<()> {
        match self {
            Self::Reader { from, .. } => {
                return from
                    .read_exact(to)
                    .map_err(|error| OpError::invalid(format!("the data cannot be read: {}", why(&error))));
            }
            Self::Parts(parts) => {
                for part in parts {
                    let (head, tail) = to.split_at_mut(part.len());
                    head.copy_from_slice(part);
                    to = tail;
                }
            }
        }
        Ok(())
    }
}

/// The strings of one part, sharing its bytes.
fn texts(part: &Bytes) -> impl Iterator<Item = Text> + '_ {
    bytes_tensor::iter(part).map(|text| part.slice_ref(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_alignment_are_joined_and_go_back_unchanged() {
        let whole: Vec<u8> = [1.5f32, -2.0, 3.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut shifted = vec![0u8];
        shifted.extend(&whole);
        let bytes = Bytes::from(shifted);
        let parts = [bytes.slice(1..5), bytes.slice(5..)];
        let tensor = from_parts(DType::F32, &Shape::new(&[3]), &parts).unwrap();
        assert_eq!(tensor.to_vec::<f32>().unwrap(), [1.5, -2.0, 3.25]);
        assert_eq!(to_wire(&tensor).unwrap().data()[..], whole);
    }

    #[test]
    fn strings_share_the_parts_bytes() {
        let part = bytes_tensor::encode([&b"ab"[..], b"c"]);
        let tensor = from_parts(DType::Bytes, &Shape::new(&[2]), std::slice::from_ref(&part)).unwrap();
        assert_eq!(tensor.view::<Text>().unwrap()[0].as_ptr(), part[4..].as_ptr());
        assert_eq!(to_wire(&tensor).unwrap().data(), &part);
    }

    #[test]
    fn a_file_is_read_as_far_as_the_shape_needs() {
        let mut file: &[u8] = &[1, 0, 2, 0, 3];
        let tensor = from_reader(DType::U16, &Shape::new(&[2]), 4, &mut file).unwrap();
        assert_eq!(tensor.to_vec::<u16>().unwrap(), [1, 2]);
        assert_eq!(file, [3]);
        assert!(from_reader(DType::U16, &Shape::new(&[2]), 4, &mut file).is_err());
    }

    #[test]
    fn a_short_part_is_an_error() {
        let error = from_parts(DType::I64, &Shape::new(&[2]), &[Bytes::from_static(&[0; 9])]).unwrap_err();
        assert!(error.to_string().contains("9 bytes"));
    }
}
