//! A REST body of JSON to a request, and its answer.
#![no_main]

use girandole_api_fuzz::{rest, text, words};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

fuzz_target!(|body: &[u8]| rest::json(body));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    text::mutate(data, size, max_size, seed, words::JSON)
});

fuzz_crossover!(|data1: &[u8], data2: &[u8], out: &mut [u8], seed: u32| {
    text::cross(data1, data2, out, seed)
});
