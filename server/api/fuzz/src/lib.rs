//! What the fuzz targets share: what they do with an input, and how an input is changed so that it gets past the
//! first parser.
//!
//! Random bytes rarely are JSON, protobuf or TOML. So texts are changed token by token and messages field by field; one
//! in eight changes is left to libFuzzer.

// The binary's own, as there is no library of it.
#[allow(dead_code, unused_imports)]
#[path = "../../../src/config/mod.rs"]
mod config;
mod echo;
pub mod framed;
pub mod grpc;
#[allow(dead_code, unused_imports)]
#[path = "../../../src/logging.rs"]
mod logging;
mod memory;
pub mod model_config;
#[path = "../../../engine/tests/load/mutation/random.rs"]
mod random;
pub mod rest;
mod specs;
pub mod text;
pub mod toml;
pub mod words;

use random::Random;

/// Whether a change is left to libFuzzer.
fn is_blind(random: &mut Random) -> bool {
    random.one_in(8)
}

/// Puts what was made into the fuzzer's buffer, where it fits.
fn put(made: &[u8], into: &mut [u8]) -> Option<usize> {
    into.get_mut(..made.len())?.copy_from_slice(made);
    Some(made.len())
}
