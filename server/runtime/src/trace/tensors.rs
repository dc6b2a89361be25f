//! A tensor as Triton's trace files have it: its elements and its shape as text, separated by commas.

use std::fmt::{Display, Write};

use girandole_core::{DType, Tensor, bytes_tensor};
use half::{bf16, f16};
use serde_json::{Value, json};

/// The tensor's object.
pub(super) fn object(name: &str, tensor: &Tensor) -> Value {
    let shape: Vec<_> = tensor.shape().iter().map(usize::to_string).collect();
    json!({ "name": name, "data": text(tensor), "shape": shape.join(","), "dtype": tensor.dtype().name() })
}

/// Truths as 0 and 1, strings in quotes and with a replacement for what is no UTF-8.
fn text(tensor: &Tensor) -> String {
    let data = tensor.data();
    match tensor.dtype() {
        DType::Bool => numbers(data, |[byte]: [u8; 1]| u8::from(byte != 0)),
        DType::U8 => numbers(data, u8::from_le_bytes),
        DType::U16 => numbers(data, u16::from_le_bytes),
        DType::U32 => numbers(data, u32::from_le_bytes),
        DType::U64 => numbers(data, u64::from_le_bytes),
        DType::I8 => numbers(data, i8::from_le_bytes),
        DType::I16 => numbers(data, i16::from_le_bytes),
        DType::I32 => numbers(data, i32::from_le_bytes),
        DType::I64 => numbers(data, i64::from_le_bytes),
        DType::F16 => numbers(data, f16::from_le_bytes),
        DType::BF16 => numbers(data, bf16::from_le_bytes),
        DType::F32 => numbers(data, f32::from_le_bytes),
        DType::F64 => numbers(data, f64::from_le_bytes),
        DType::Bytes => {
            let quoted =
                bytes_tensor::iter(data).map(|element| format!("\"{}\"", String::from_utf8_lossy(element)));
            quoted.collect::<Vec<_>>().join(",")
        }
    }
}

fn numbers<T: Display, const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> T) -> String {
    let mut text = String::new();
    for (i, chunk) in data.as_chunks().0.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{}", read(*chunk));
    }
    text
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use girandole_core::Shape;

    use super::*;

    fn shown(dtype: DType, dims: &[usize], data: &[u8]) -> Value {
        let tensor = Tensor::new(dtype, Shape::new(dims), Bytes::copy_from_slice(data)).unwrap();
        object("x", &tensor)
    }

    #[test]
    fn elements_and_shape_are_text() {
        let floats = [1.5_f32, f32::NEG_INFINITY].map(f32::to_le_bytes).concat();
        let expected = json!({ "name": "x", "data": "1.5,-inf", "shape": "1,2", "dtype": "FP32" });
        assert_eq!(shown(DType::F32, &[1, 2], &floats), expected);
    }

    #[test]
    fn every_datatype_has_its_text() {
        for dtype in DType::ALL {
            let zeros = vec![0; dtype.size().map_or(8, |size| 2 * size)];
            let expected = if dtype == DType::Bytes { "\"\",\"\"" } else { "0,0" };
            assert_eq!(shown(dtype, &[2], &zeros)["data"], expected, "{dtype}");
        }
        assert_eq!(shown(DType::Bool, &[2], &[0, 1])["data"], "0,1");
        let half = f16::from_f32(0.25).to_le_bytes();
        assert_eq!(shown(DType::F16, &[1], &half)["data"], "0.25");
    }

    #[test]
    fn strings_are_quoted_and_bad_ones_are_marked() {
        let data = bytes_tensor::encode([&b"a,b"[..], b"\xff"]);
        assert_eq!(shown(DType::Bytes, &[2], &data)["data"], "\"a,b\",\"\u{fffd}\"");
    }
}
