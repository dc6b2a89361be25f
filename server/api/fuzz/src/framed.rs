//! A body behind the value of its header `Inference-Header-Content-Length`, four bytes.

use libfuzzer_sys::fuzzer_mutate;

use crate::{is_blind, put, random::Random, text, words};

/// Bytes of the header's value.
const HEADER: usize = 4;

/// The header's value and the body.
pub(crate) fn split(framed: &[u8]) -> Option<(usize, &[u8])> {
    let (header, body) = framed.split_first_chunk::<HEADER>()?;
    Some((u32::from_le_bytes(*header) as usize, body))
}

/// Changes the JSON or the tensors, and mostly tells the length of the JSON as it is.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random::new(seed.into());
    changed(&data[..size], max_size, &mut random)
        .and_then(|made| put(&made, &mut data[..max_size]))
        .unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
}

fn changed(framed: &[u8], max_size: usize, random: &mut Random) -> Option<Vec<u8>> {
    let (length, body) = split(framed)?;
    let (json, tensors) = body.split_at_checked(length)?;
    if is_blind(random) {
        return None;
    }
    let mut json = json.to_vec();
    let mut tensors = tensors.to_vec();
    if tensors.is_empty() || random.one_in(2) {
        json = text::changed(std::str::from_utf8(&json).ok()?, words::JSON, random).into_bytes();
    } else {
        let size = tensors.len();
        tensors.resize(max_size, 0);
        let size = fuzzer_mutate(&mut tensors, size, max_size);
        tensors.truncate(size);
    }
    let told = match random.below(16) {
        0 => 0,
        1 => json.len() + 1,
        2 => json.len().saturating_sub(1),
        3 => usize::MAX,
        _ => json.len(),
    };
    let told = u32::try_from(told).unwrap_or(u32::MAX).to_le_bytes();
    Some([&told, json.as_slice(), &tensors].concat())
}

/// The JSON of one with the tensors of the other, or the other's parts in it.
pub fn cross(first: &[u8], second: &[u8], out: &mut [u8], seed: u32) -> usize {
    let mut random = Random::new(seed.into());
    let made = (|| {
        let ((length, first), (other, second)) = (split(first)?, split(second)?);
        let ((json, _), (donor, tensors)) =
            (first.split_at_checked(length)?, second.split_at_checked(other)?);
        let (json, donor) = (std::str::from_utf8(json).ok()?, std::str::from_utf8(donor).ok()?);
        let json = text::crossed(json, donor, &mut random);
        let told = u32::try_from(json.len()).ok()?.to_le_bytes();
        Some([&told, json.as_bytes(), tensors].concat())
    })();
    made.and_then(|made| put(&made, out)).unwrap_or(0)
}
