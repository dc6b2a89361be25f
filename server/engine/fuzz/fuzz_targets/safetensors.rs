//! A described model in safetensors to a model, a session, and one batch: headers, configurations, architectures.
#![no_main]

use girandole_engine_fuzz::saved;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| saved(text));
