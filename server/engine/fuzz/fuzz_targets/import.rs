//! A file's bytes to a graph with its passes done: the importer, inference, folding and the rewrites.
#![no_main]

use girandole_engine_fuzz::{cross, import, mutate};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

fuzz_target!(|file: &[u8]| import(file));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});

fuzz_crossover!(|data1: &[u8], data2: &[u8], out: &mut [u8], seed: u32| { cross(data1, data2, out, seed) });
