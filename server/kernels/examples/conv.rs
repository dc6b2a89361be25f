//! Microseconds of each convolution of MobileNetV3-small, at a batch and on some threads:
//! `cargo run --release -p girandole-kernels --example conv -- [BATCH] [THREADS]`
#![allow(clippy::unwrap_used, reason = "a program for developers")]

use std::time::{Duration, Instant};

use girandole_kernels::{
    conv::{Depthwise, Filters, Finish, Mixed, Planes, Sizes},
    isa::Isa,
    math::Function,
    pool::Pool,
    window::Axis,
};

/// Of the layers of one shape: input channels, side of the input, output channels, side of the filter, stride.
const LAYERS: &[(usize, usize, usize, usize, usize, Kind)] = &[
    (3, 224, 16, 3, 2, Kind::Stem),
    (16, 112, 16, 3, 2, Kind::Depthwise),
    (16, 56, 16, 1, 1, Kind::Plain),
    (16, 56, 72, 1, 1, Kind::Plain),
    (72, 56, 72, 3, 2, Kind::Depthwise),
    (72, 28, 24, 1, 1, Kind::Plain),
    (24, 28, 88, 1, 1, Kind::Plain),
    (88, 28, 88, 3, 1, Kind::Depthwise),
    (88, 28, 24, 1, 1, Kind::Sum),
    (24, 28, 96, 1, 1, Kind::Active),
    (96, 28, 96, 5, 2, Kind::ActiveDepthwise),
    (96, 14, 40, 1, 1, Kind::Plain),
    (40, 14, 240, 1, 1, Kind::Active),
    (240, 14, 240, 5, 1, Kind::ActiveDepthwise),
    (240, 14, 40, 1, 1, Kind::Sum),
    (40, 14, 240, 1, 1, Kind::Active),
    (240, 14, 240, 5, 1, Kind::ActiveDepthwise),
    (240, 14, 40, 1, 1, Kind::Sum),
    (40, 14, 120, 1, 1, Kind::Active),
    (120, 14, 120, 5, 1, Kind::ActiveDepthwise),
    (120, 14, 48, 1, 1, Kind::Plain),
    (48, 14, 144, 1, 1, Kind::Active),
    (144, 14, 144, 5, 1, Kind::ActiveDepthwise),
    (144, 14, 48, 1, 1, Kind::Sum),
    (48, 14, 288, 1, 1, Kind::Active),
    (288, 14, 288, 5, 2, Kind::ActiveDepthwise),
    (288, 7, 96, 1, 1, Kind::Plain),
    (96, 7, 576, 1, 1, Kind::Active),
    (576, 7, 576, 5, 1, Kind::ActiveDepthwise),
    (576, 7, 96, 1, 1, Kind::Sum),
    (96, 7, 576, 1, 1, Kind::Active),
    (576, 7, 576, 5, 1, Kind::ActiveDepthwise),
    (576, 7, 96, 1, 1, Kind::Sum),
    (96, 7, 576, 1, 1, Kind::Active),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// From planes, then HardSwish.
    Stem,
    /// Depthwise and bounded.
    Depthwise,
    /// Depthwise, then HardSwish.
    ActiveDepthwise,
    Plain,
    /// Then HardSwish.
    Active,
    /// With a residual.
    Sum,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse().unwrap());
    let (batch, threads) = (arguments.next().unwrap_or(8), arguments.next().unwrap_or(1));
    Pool::new(threads).unwrap().enter(|| {
        let mut all = Duration::ZERO;
        for &(depth, side, width, kernel, stride, kind) in LAYERS {
            let axis = Axis {
                input: side,
                output: side.div_ceil(stride),
                kernel,
                stride,
                dilation: 1,
                pad_begin: kernel / 2,
                pad_end: kernel / 2,
            };
            let sizes = Sizes { batch, window: [Axis::ONE, axis, axis] };
            let least = layer(&sizes, depth, width, kind);
            all += least;
            let grouped = matches!(kind, Kind::Depthwise | Kind::ActiveDepthwise);
            let products =
                batch * axis.output.pow(2) * kernel.pow(2) * width * if grouped { 1 } else { depth };
            let us = least.as_secs_f64() * 1e6;
            println!(
                "{us:8.1} us {:6.1} GFLOP/s {kind:?} {depth}x{side}x{side} -> {width} {kernel}/{stride}",
                2e-3 * products as f64 / us
            );
        }
        println!("{:8.1} us all", all.as_secs_f64() * 1e6);
    });
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 37 % 201) as f32 / 100.0 - 1.0).collect()
}

fn layer(sizes: &Sizes, depth: usize, width: usize, kind: Kind) -> Duration {
    let places: usize = sizes.window.iter().map(|axis| axis.input).product();
    let outputs: usize = sizes.window.iter().map(|axis| axis.output).product();
    let taps: usize = sizes.window.iter().map(|axis| axis.kernel).product();
    let input = numbers(sizes.batch * places * depth);
    let residual = numbers(sizes.batch * outputs * width);
    let swish = Finish::of(Function::HardSwish).unwrap();
    let relu = Finish::of(Function::RELU).unwrap();
    let isa = Isa::current();
    if matches!(kind, Kind::Depthwise | Kind::ActiveDepthwise) {
        let conv = Depthwise::new(width, &numbers(width * taps), None).unwrap();
        let finish = if kind == Kind::Depthwise { relu } else { swish };
        return least(|| conv.run(isa, sizes, &input, finish).unwrap());
    }
    let weights = numbers(width * depth * taps);
    let filters =
        Filters { groups: 1, in_channels: depth, out_channels: width, weights: &weights, bias: None };
    if kind == Kind::Stem {
        let conv = Planes::new(isa, &filters).unwrap();
        return least(|| conv.run(sizes, &input, swish).unwrap());
    }
    let conv = Mixed::new(isa, &filters).unwrap();
    let finish = if kind == Kind::Active { swish } else { relu };
    let residual = (kind == Kind::Sum).then_some(&residual[..]);
    least(|| conv.run(sizes, &input, residual, finish).unwrap())
}

fn least(mut work: impl FnMut() -> Vec<f32>) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..150 {
        let begin = Instant::now();
        std::hint::black_box(work());
        least = least.min(begin.elapsed());
    }
    least
}
