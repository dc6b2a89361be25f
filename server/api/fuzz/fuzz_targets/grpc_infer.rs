//! A gRPC inference message to a request, and its answer.
#![no_main]

use girandole_api_fuzz::grpc;
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

fuzz_target!(|message: &[u8]| grpc::infer(message));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    grpc::mutate(data, size, max_size, seed)
});

fuzz_crossover!(|data1: &[u8], data2: &[u8], out: &mut [u8], seed: u32| {
    grpc::cross(data1, data2, out, seed)
});
