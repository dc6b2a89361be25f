//! An inference response as JSON: each tensor's elements straight from its bytes, flat in row-major order.
//!
//! `NaN`, `Infinity` and `-Infinity` are written as Python and Triton write them.

use girandole_core::{DType, Error, InferResponse, NamedTensor, Result, Tensor, bytes_tensor};
use half::{bf16, f16};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use super::parameters::AsJson;

/// The response's JSON; `binary` says of each output whether its data follow the JSON instead.
///
/// # Errors
/// `InvalidArgument` where a BYTES element is no UTF-8 and was not asked for in binary form.
pub(crate) fn response(response: &InferResponse, binary: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let inline = response.outputs.iter().filter(|output| !binary(&output.name));
    let size: usize = inline.map(|output| output.tensor.elements().saturating_mul(8)).sum();
    let mut out = Vec::with_capacity(256 + size);
    out.extend_from_slice(b"{\"model_name\":");
    json(&mut out, &response.model);
    out.extend_from_slice(b",\"model_version\":");
    json(&mut out, &response.version.to_string());
    if !response.id.is_empty() {
        out.extend_from_slice(b",\"id\":");
        json(&mut out, &response.id);
    }
    if !response.parameters.is_empty() {
        out.extend_from_slice(b",\"parameters\":");
        json(&mut out, &AsJson(&response.parameters));
    }
    out.extend_from_slice(b",\"outputs\":[");
    for (i, tensor) in response.outputs.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        output(&mut out, tensor, binary(&tensor.name))?;
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn output(out: &mut Vec<u8>, output: &NamedTensor, binary: bool) -> Result<()> {
    out.extend_from_slice(b"{\"name\":");
    json(out, &output.name);
    out.extend_from_slice(b",\"datatype\":\"");
    out.extend_from_slice(output.tensor.dtype().name().as_bytes());
    out.extend_from_slice(b"\",\"shape\":");
    json(out, &**output.tensor.shape());
    if binary {
        let size = i64::try_from(output.tensor.data().len()).unwrap_or(i64::MAX);
        let mut parameters = output.parameters.clone();
        parameters.insert("binary_data_size".to_owned(), girandole_core::Parameter::I64(size));
        out.extend_from_slice(b",\"parameters\":");
        json(out, &AsJson(&parameters));
    } else {
        if !output.parameters.is_empty() {
            out.extend_from_slice(b",\"parameters\":");
            json(out, &AsJson(&output.parameters));
        }
        out.extend_from_slice(b",\"data\":");
        data(out, &output.tensor).map_err(|error| error.context(format!("output '{}'", output.name)))?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends a value whose serialisation into memory cannot fail.
fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"null");
    }
}

fn data(out: &mut Vec<u8>, tensor: &Tensor) -> Result<()> {
    let bytes = tensor.data();
    let mut f = CompactFormatter;
    out.push(b'[');
    match tensor.dtype() {
        DType::Bool => each(out, bytes, |out, [v]| f.write_bool(out, v != 0)),
        DType::U8 => each(out, bytes, |out, [v]| f.write_u8(out, v)),
        DType::U16 => each(out, bytes, |out, v| f.write_u16(out, u16::from_le_bytes(v))),
        DType::U32 => each(out, bytes, |out, v| f.write_u32(out, u32::from_le_bytes(v))),
        DType::U64 => each(out, bytes, |out, v| f.write_u64(out, u64::from_le_bytes(v))),
        DType::I8 => each(out, bytes, |out, v| f.write_i8(out, i8::from_le_bytes(v))),
        DType::I16 => each(out, bytes, |out, v| f.write_i16(out, i16::from_le_bytes(v))),
        DType::I32 => each(out, bytes, |out, v| f.write_i32(out, i32::from_le_bytes(v))),
        DType::I64 => each(out, bytes, |out, v| f.write_i64(out, i64::from_le_bytes(v))),
        DType::F16 => each(out, bytes, |out, v| single(out, f16::from_le_bytes(v).to_f32())),
        DType::BF16 => each(out, bytes, |out, v| single(out, bf16::from_le_bytes(v).to_f32())),
        DType::F32 => each(out, bytes, |out, v| single(out, f32::from_le_bytes(v))),
        DType::F64 => each(out, bytes, |out, v| double(out, f64::from_le_bytes(v))),
        DType::Bytes => strings(out, bytes)?,
    }
    out.push(b']');
    Ok(())
}

/// Writes every element; what `write` says of failure cannot happen in memory.
fn each<const N: usize>(
    out: &mut Vec<u8>,
    bytes: &[u8],
    mut write: impl FnMut(&mut Vec<u8>, [u8; N]) -> std::io::Result<()>,
) {
    for (i, element) in bytes.as_chunks::<N>().0.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let written = write(out, *element);
        debug_assert!(written.is_ok(), "writing into memory cannot fail");
    }
}

fn single(out: &mut Vec<u8>, value: f32) -> std::io::Result<()> {
    if value.is_finite() {
        return CompactFormatter.write_f32(out, value);
    }
    out.extend_from_slice(nonfinite(f64::from(value)));
    Ok(())
}

fn double(out: &mut Vec<u8>, value: f64) -> std::io::Result<()> {
    if value.is_finite() {
        return CompactFormatter.write_f64(out, value);
    }
    out.extend_from_slice(nonfinite(value));
    Ok(())
}

fn nonfinite(value: f64) -> &'static [u8] {
    match value {
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ => b"NaN",
    }
}

fn strings(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    for (i, element) in bytes_tensor::iter(bytes).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let text = std::str::from_utf8(element).map_err(|_| {
            Error::invalid(format!("element {i} is not UTF-8, ask for this output with binary_data"))
        })?;
        json(out, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
