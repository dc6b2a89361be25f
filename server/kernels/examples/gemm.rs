//! GFLOP/s of packed products of common sizes, the best of several rounds.
//!
//! `cargo run --release -p girandole-kernels --example gemm [threads]`

use std::time::Instant;

use girandole_kernels::{
    Misfit,
    gemm::{self, Epilogue, Packed, Rows, Weights},
    isa::Isa,
    pool::Pool,
};

/// Rows, depth and columns: layers of transformers, perceptrons, recurrent and convolutional networks.
const SIZES: [[usize; 3]; 14] = [
    [128, 384, 1536],
    [128, 1536, 384],
    [128, 384, 384],
    [1, 384, 1536],
    [64, 256, 256],
    [1, 64, 256],
    [1024, 256, 2],
    [32, 128, 512],
    [3136, 576, 64],
    [784, 1152, 128],
    [196, 2304, 256],
    [49, 4608, 512],
    [3136, 64, 256],
    [49, 2048, 512],
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::env::args().nth(1).map_or(Ok(1), |threads| threads.parse())?;
    let pool = Pool::new(threads)?;
    for isa in Isa::available() {
        println!("{isa:?}, {threads} threads");
        for size in SIZES {
            let rate = pool.enter(|| rate(isa, size))?;
            println!("{:>5} x{:>5} x{:>5} {rate:8.1}", size[0], size[1], size[2]);
        }
    }
    Ok(())
}

/// GFLOP/s of the best of some rounds of about 2 ms.
fn rate(isa: Isa, [m, k, n]: [usize; 3]) -> Result<f64, Misfit> {
    let (a, b) = (vec![0.5f32; m * k], vec![0.25f32; k * n]);
    let weights = Packed::new(isa, &Weights::rows(&b, k, n))?;
    let rows = Rows::dense(&a, m, k)?;
    let work = 2.0 * (m * k * n) as f64;
    let repeats = (2e8 / work).ceil() as usize;
    let mut best = f64::INFINITY;
    for _ in 0..40 {
        let begin = Instant::now();
        for _ in 0..repeats {
            std::hint::black_box(gemm::product(&rows, &weights, &Epilogue::default())?);
        }
        best = best.min(begin.elapsed().as_secs_f64() / repeats as f64);
    }
    Ok(work / best / 1e9)
}
