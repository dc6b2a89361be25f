//! gRPC's typed tensor contents as little-endian bytes.

use bytes::Bytes;
use girandole_core::{DType, Error, Result, bytes_tensor};
use girandole_proto::oip::InferTensorContents;

/// The bytes of typed contents.
///
/// # Errors
/// `InvalidArgument` where a value does not fit the type, or the type only travels raw.
pub(crate) fn bytes(dtype: DType, contents: &InferTensorContents) -> Result<Bytes> {
    let c = contents;
    match dtype {
        DType::Bool => Ok(c.bool_contents.iter().map(|&value| u8::from(value)).collect()),
        DType::I8 => narrow(dtype, &c.int_contents, i8::to_le_bytes),
        DType::I16 => narrow(dtype, &c.int_contents, i16::to_le_bytes),
        DType::I32 => Ok(flat(&c.int_contents, i32::to_le_bytes)),
        DType::I64 => Ok(flat(&c.int64_contents, i64::to_le_bytes)),
        DType::U8 => narrow(dtype, &c.uint_contents, u8::to_le_bytes),
        DType::U16 => narrow(dtype, &c.uint_contents, u16::to_le_bytes),
        DType::U32 => Ok(flat(&c.uint_contents, u32::to_le_bytes)),
        DType::U64 => Ok(flat(&c.uint64_contents, u64::to_le_bytes)),
        DType::F32 => Ok(flat(&c.fp32_contents, f32::to_le_bytes)),
        DType::F64 => Ok(flat(&c.fp64_contents, f64::to_le_bytes)),
        DType::Bytes => Ok(bytes_tensor::encode(c.bytes_contents.iter().map(AsRef::as_ref))),
        DType::F16 | DType::BF16 => {
            Err(Error::invalid(format!("{dtype} data must come in raw_input_contents")))
        }
    }
}

fn flat<T: Copy, const N: usize>(values: &[T], encode: fn(T) -> [u8; N]) -> Bytes {
    let mut out = Vec::with_capacity(values.len() * N);
    values.iter().for_each(|&value| out.extend_from_slice(&encode(value)));
    out.into()
}

fn narrow<T, W, const N: usize>(dtype: DType, values: &[W], encode: fn(T) -> [u8; N]) -> Result<Bytes>
where
    W: Copy + std::fmt::Display,
    T: TryFrom<W>,
{
    let mut out = Vec::with_capacity(values.len() * N);
    for (i, &value) in values.iter().enumerate() {
        let narrowed = T::try_from(value).map_err(|_| {
            Error::invalid(format!("element {i} is {value}, which is out of range for {dtype}"))
        })?;
        out.extend_from_slice(&encode(narrowed));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_field() {
        let contents = InferTensorContents {
            bool_contents: vec![true, false],
            int_contents: vec![-1, 2],
            int64_contents: vec![-1, 2],
            uint_contents: vec![1, 2],
            uint64_contents: vec![1, 2],
            fp32_contents: vec![1.0, 2.0],
            fp64_contents: vec![1.0, 2.0],
            bytes_contents: vec![Bytes::from_static(b"a"), Bytes::new()],
        };
        for dtype in DType::ALL {
            match bytes(dtype, &contents) {
                Ok(data) => assert_eq!(data.len(), dtype.size().map_or(9, |size| 2 * size), "{dtype}"),
                Err(error) => assert!(matches!(dtype, DType::F16 | DType::BF16), "{dtype}: {error}"),
            }
        }
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let contents = InferTensorContents { int_contents: vec![0, 128], ..Default::default() };
        let error = bytes(DType::I8, &contents).unwrap_err();
        assert_eq!(error.message(), "element 1 is 128, which is out of range for INT8");
    }
}
