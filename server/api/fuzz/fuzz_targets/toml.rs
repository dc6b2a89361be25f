//! A traffic file or an access file to what requests are held against.
#![no_main]

use girandole_api_fuzz::{text, toml, words};
use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target};

fuzz_target!(|file: &[u8]| toml::read(file));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    text::mutate(data, size, max_size, seed, words::TOML)
});

fuzz_crossover!(|data1: &[u8], data2: &[u8], out: &mut [u8], seed: u32| {
    text::cross(data1, data2, out, seed)
});
