//! A REST body of JSON and binary tensors, or of one raw tensor, to a request, and its answer.
#![no_main]

use girandole_api_fuzz::{framed, rest};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

fuzz_target!(|body: &[u8]| rest::binary(body));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    framed::mutate(data, size, max_size, seed)
});

fuzz_crossover!(|data1: &[u8], data2: &[u8], out: &mut [u8], seed: u32| {
    framed::cross(data1, data2, out, seed)
});
