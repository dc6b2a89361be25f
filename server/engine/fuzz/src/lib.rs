//! What the fuzz targets share: what they do with a file, and how a file is changed so that it stays a model.
//!
//! Random bytes rarely get past protobuf, so files are decoded, changed field by field (as the engine's own
//! tests of broken files do) and encoded again; one in sixteen is left to libFuzzer's changes of bytes.

#[path = "../../tests/load/architectures/described.rs"]
mod described;
#[path = "../../tests/load/mutation/fields/mod.rs"]
mod fields;
mod inputs;
#[path = "../../tests/load/mutation/random.rs"]
mod random;
mod targets;

use girandole_proto::onnx::ModelProto;
use libfuzzer_sys::fuzzer_mutate;
use prost::Message;

use random::Random;
pub use targets::{import, load, saved};

/// The most changes of one step.
const MOST_CHANGES: usize = 4;

/// Changes the file in `data[..size]` to one of at most `max_size` bytes; gives its size.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random::new(seed.into());
    let model = ModelProto::decode(&data[..size]);
    let (Ok(mut model), false) = (model, random.one_in(16)) else {
        return fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..=random.below(MOST_CHANGES) {
        fields::change(&mut model, &mut random);
    }
    write(&model, &mut data[..max_size]).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
}

/// Puts parts of the second file into the first, in `out`; gives the size.
pub fn cross(first: &[u8], second: &[u8], out: &mut [u8], seed: u32) -> usize {
    let mut random = Random::new(seed.into());
    let both = ModelProto::decode(first).and_then(|first| Ok((first, ModelProto::decode(second)?)));
    let Ok((mut model, other)) = both else { return 0 };
    fields::cross(&mut model, &other, &mut random);
    write(&model, out).unwrap_or(0)
}

/// Encodes the model where it fits.
fn write(model: &ModelProto, mut out: &mut [u8]) -> Option<usize> {
    let size = model.encoded_len();
    model.encode(&mut out).ok().map(|()| size)
}
