//! Inputs for a model, made up from what it says of them.

use std::collections::HashMap;

use bytes::Bytes;
use girandole_core::{BatchInput, DType, Dim, ModelSpec, Shape, TensorSpec, bytes_tensor};

use crate::random::Random;

/// The most elements of an input; a model that wants more is not run.
const MOST: usize = 1 << 12;

/// An input for each that the model wants, or nothing where one is too large.
pub(crate) fn of(spec: &ModelSpec, random: &mut Random) -> Option<Vec<BatchInput>> {
    let mut sizes = HashMap::new();
    let inputs = spec.inputs.iter().enumerate();
    inputs.map(|(index, input)| made_up(index, input, &mut sizes, random)).collect()
}

/// One input; dimensions of the same name get the same size, but for one in eight.
fn made_up<'a>(
    index: usize,
    spec: &'a TensorSpec,
    sizes: &mut HashMap<&'a str, usize>,
    random: &mut Random,
) -> Option<BatchInput> {
    let mut size = |dim: &'a Dim| match dim {
        Dim::Fixed(size) => *size,
        Dim::Free(Some(name)) if !random.one_in(8) => {
            *sizes.entry(name).or_insert_with(|| random.pick(&[0, 1, 2, 3, 5]))
        }
        Dim::Free(_) => random.pick(&[0, 1, 2, 3, 5, 8]),
    };
    let shape: Shape = match &spec.dims {
        Some(dims) => dims.iter().map(&mut size).collect(),
        None => [2usize, 3, 4, 5][..random.below(5)].iter().copied().collect(),
    };
    let extent = shape.iter().try_fold(1usize, |all, &dim| all.checked_mul(dim.max(1)))?;
    let len = if shape.contains(&0) { 0 } else { extent };
    (extent <= MOST && shape.len() <= 16).then(|| BatchInput {
        index,
        dtype: spec.dtype,
        parts: vec![data(spec.dtype, len, random)],
        shape,
    })
}

/// The bytes of `len` elements, mostly of small values.
fn data(dtype: DType, len: usize, random: &mut Random) -> Bytes {
    const TEXTS: &[&str] = &["", "a", "b c", "1.5", "\u{fc}"];
    if dtype == DType::Bytes {
        let texts: Vec<&str> = (0..len).map(|_| random.pick(TEXTS)).collect();
        return bytes_tensor::encode(texts.iter().map(|text| text.as_bytes()));
    }
    let mut bytes = Vec::new();
    (0..len).for_each(|_| push(dtype, &mut bytes, random));
    bytes.into()
}

/// Appends one number.
fn push(dtype: DType, bytes: &mut Vec<u8>, random: &mut Random) {
    const FLOATS: &[f32] = &[0.5, -1.0, 2.0, 0.0, 1.5, 1e30, f32::NAN];
    const INTS: &[i64] = &[0, 1, 1, 2, 3, -1, -2, i64::MAX, i64::MIN];
    match dtype {
        DType::F32 => bytes.extend(random.pick(FLOATS).to_le_bytes()),
        DType::F64 => bytes.extend(f64::from(random.pick(FLOATS)).to_le_bytes()),
        DType::I64 => bytes.extend(random.pick(INTS).to_le_bytes()),
        DType::I32 => bytes.extend(random.pick(&[0i32, 1, 2, -1, i32::MAX, i32::MIN]).to_le_bytes()),
        other => bytes.extend((0..other.size().unwrap_or(1)).map(|_| random.pick(&[0u8, 1, 2, 0x80, 0xff]))),
    }
}
