//! `model_warmup`: requests to run before a version serves, from zeros, small random values or a file.

use std::path::Path;

use bytes::{BufMut, Bytes, BytesMut};
use girandole_core::{DType, InferRequest, ModelSpec, NamedTensor, Shape, Tensor, bytes_tensor};
use girandole_proto::config::{
    DataType, ModelWarmup,
    model_warmup::{Input, input::InputDataType},
};

use super::{files::read_within, mistakes::Mistakes, tensors::data_type};
use crate::settings::WarmupRequest;

/// The most bytes of one warm-up tensor.
const MAX_BYTES: usize = 1 << 30;

/// The requests, each checked against what the model takes.
pub(super) fn resolve(
    given: &[ModelWarmup],
    spec: &ModelSpec,
    dir: &Path,
    mistakes: &mut Mistakes,
) -> Vec<WarmupRequest> {
    let mut requests = Vec::with_capacity(given.len());
    for (i, warmup) in given.iter().enumerate() {
        let field = format!("model_warmup[{i}]");
        match request(warmup, spec, dir) {
            Ok(request) => requests.push(request),
            Err(what) => mistakes.add(field, what),
        }
    }
    requests
}

fn request(warmup: &ModelWarmup, spec: &ModelSpec, dir: &Path) -> Result<WarmupRequest, String> {
    let rows = match (spec.batches(), warmup.batch_size as usize) {
        (true, rows) => Some(rows.max(1)),
        (false, 0 | 1) => None,
        (false, rows) => {
            return Err(format!("batch_size is {rows}, but the model does not batch; leave it out"));
        }
    };
    if rows.is_some_and(|rows| rows > spec.max_batch_size) {
        return Err(format!("batch_size must be at most max_batch_size, which is {}", spec.max_batch_size));
    }
    let mut names: Vec<_> = warmup.inputs.keys().collect();
    names.sort_unstable();
    let mut inputs = Vec::with_capacity(names.len());
    for name in names {
        let input = warmup.inputs.get(name).ok_or("its inputs changed")?;
        let tensor = tensor(input, rows, dir).map_err(|what| format!("inputs['{name}'] {what}"))?;
        inputs.push(NamedTensor::new(name.clone(), tensor));
    }
    let request = InferRequest { inputs, ..InferRequest::default() };
    spec.check(&request).map_err(|error| error.message().to_owned())?;
    Ok(WarmupRequest {
        name: warmup.name.clone(),
        inputs: request.inputs,
        count: warmup.count.max(1) as usize,
    })
}

fn tensor(input: &Input, rows: Option<usize>, dir: &Path) -> Result<Tensor, String> {
    let dtype = DType::ALL.into_iter().find(|&dtype| data_type(dtype) == input.data_type());
    let dtype =
        dtype.filter(|_| DataType::try_from(input.data_type).is_ok()).ok_or("must have a data_type")?;
    let sizes: Option<Vec<usize>> =
        input.dims.iter().map(|&dim| usize::try_from(dim).ok().filter(|&d| d > 0)).collect();
    let item = sizes.ok_or("must have dims of 1 or more; -1 does not say what to send")?;
    let elements = Shape::new(&item).elements().ok_or("is larger than can be addressed")?;
    let bytes = elements
        .checked_mul(dtype.size().unwrap_or(4))
        .and_then(|bytes| bytes.checked_mul(rows.unwrap_or(1)));
    if bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
        return Err(format!("is larger than the {MAX_BYTES} bytes allowed"));
    }
    let one = match &input.input_data_type {
        Some(InputDataType::ZeroData(true)) => zeros(dtype, elements),
        Some(InputDataType::RandomData(true)) => random(dtype, elements),
        Some(InputDataType::InputDataFile(file)) => {
            Bytes::from(read_within(&dir.join("warmup"), file, MAX_BYTES as u64)?)
        }
        _ => return Err("must have zero_data: true, random_data: true or an input_data_file".to_owned()),
    };
    let shape: Vec<usize> = rows.into_iter().chain(item).collect();
    Tensor::new(dtype, Shape::from(shape), tile(one, rows.unwrap_or(1)))
        .map_err(|error| error.message().to_owned())
}

/// The data of one row for each of `rows`.
fn tile(one: Bytes, rows: usize) -> Bytes {
    if rows == 1 { one } else { Bytes::from(one.repeat(rows)) }
}

/// Zeros; empty strings for `BYTES`, whose length prefixes are zeros too.
pub(crate) fn zeros(dtype: DType, elements: usize) -> Bytes {
    BytesMut::zeroed(elements * dtype.size().unwrap_or(4)).freeze()
}

/// Values that any model can take: floats from 0 to 1, integers 0 and 1 (they may be indices), short words.
pub(crate) fn random(dtype: DType, elements: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut data = BytesMut::with_capacity(elements * dtype.size().unwrap_or(8));
    for _ in 0..elements {
        let bits = next();
        put(&mut data, dtype, bits);
    }
    data.freeze()
}

fn put(data: &mut BytesMut, dtype: DType, bits: u64) {
    // 24 bits fit every float's way from integer to fraction without rounding up to 1.
    let fraction = (bits >> 40) as f32 / (1u32 << 24) as f32;
    match dtype {
        DType::F32 => data.put_f32_le(fraction),
        DType::F64 => data.put_f64_le(f64::from(fraction)),
        // The upper half of an FP32 is its BF16; 0x3800 to 0x3BFF are the FP16 numbers from 0.5 to 1.
        DType::BF16 => data.put_u16_le((fraction.to_bits() >> 16) as u16),
        DType::F16 => data.put_u16_le(0x3800 | (bits >> 54) as u16),
        DType::Bytes => bytes_tensor::push(data, format!("w{}", bits % 1000).as_bytes()),
        DType::Bool | DType::U8 | DType::I8 => data.put_u8((bits & 1) as u8),
        DType::U16 | DType::I16 => data.put_u16_le((bits & 1) as u16),
        DType::U32 | DType::I32 => data.put_u32_le((bits & 1) as u32),
        DType::U64 | DType::I64 => data.put_u64_le(bits & 1),
    }
}
