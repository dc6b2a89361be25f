//! The definition of a convolution in f64, which tests hold the kernels to, and random sizes for it.

use proptest::prelude::*;

use super::{Finish, Sizes};
use crate::window::{Axis, Window, taps};

/// A convolution with everything that it takes.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) sizes: Sizes,
    pub(crate) groups: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
}

/// Numbers in -1..1 that look random and are the same in each run.
pub(crate) fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(next).collect()
}

/// An axis with as many outputs as fit.
pub(crate) fn axis(
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    pads: (usize, usize),
) -> Axis {
    let extent = (kernel - 1) * dilation + 1;
    let free = (input + pads.0 + pads.1).checked_sub(extent);
    let output = free.map_or(0, |free| free / stride + 1);
    Axis { input, output, kernel, stride, dilation, pad_begin: pads.0, pad_end: pads.1 }
}

/// An axis of any kind that has outputs.
pub(crate) fn any_axis(longest: usize) -> impl Strategy<Value = Axis> {
    (1..=longest, 1usize..=5, 1usize..=3, 1usize..=2, (0usize..=2, 0usize..=2))
        .prop_map(|(input, kernel, stride, dilation, pads)| axis(input, kernel, stride, dilation, pads))
        .prop_filter("an axis without outputs", |axis| axis.output > 0)
}

/// Sizes with one to three axes.
pub(crate) fn any_sizes() -> impl Strategy<Value = Sizes> {
    let outer = prop_oneof![4 => Just(Axis::ONE), 1 => any_axis(4)];
    let middle = prop_oneof![1 => Just(Axis::ONE), 4 => any_axis(12)];
    (1usize..=3, outer, middle, any_axis(20))
        .prop_map(|(batch, outer, middle, inner)| Sizes { batch, window: [outer, middle, inner] })
}

impl Case {
    pub(crate) fn input(&self) -> Vec<f32> {
        numbers(self.sizes.batch * self.sizes.places() * self.in_channels, 1)
    }

    pub(crate) fn weights(&self) -> Vec<f32> {
        numbers(self.out_channels * (self.in_channels / self.groups) * taps(&self.sizes.window), 2)
    }

    pub(crate) fn bias(&self) -> Vec<f32> {
        numbers(self.out_channels, 3)
    }

    /// The sums with a residual added, before the finish.
    pub(crate) fn sums_and(&self, residual: Option<&[f32]>) -> Vec<f64> {
        let sums = self.sums();
        match residual {
            Some(add) => sums.iter().zip(add).map(|(sum, &add)| sum + f64::from(add)).collect(),
            None => sums,
        }
    }

    /// How many outputs there are.
    pub(crate) fn outputs(&self) -> usize {
        self.sizes.batch * self.sizes.outputs() * self.out_channels
    }

    /// The sums without what follows them.
    pub(crate) fn sums(&self) -> Vec<f64> {
        let (input, weights, bias) = (self.input(), self.weights(), self.bias());
        let (depth, width) = (self.in_channels / self.groups, self.out_channels / self.groups);
        let taps = taps(&self.sizes.window);
        let mut made = Vec::new();
        for image in 0..self.sizes.batch {
            for out in 0..self.sizes.outputs() {
                for channel in 0..self.out_channels {
                    let mut sum = f64::from(bias[channel]);
                    for (tap, place) in places(&self.sizes, out) {
                        for c in 0..depth {
                            let from = channel / width * depth + c;
                            let x = input[(image * self.sizes.places() + place) * self.in_channels + from];
                            sum += f64::from(x) * f64::from(weights[(channel * depth + c) * taps + tap]);
                        }
                    }
                    made.push(sum);
                }
            }
        }
        made
    }
}

/// The taps of an output that lie in the image, each with its place.
pub(crate) fn places(sizes: &Sizes, out: usize) -> Vec<(usize, usize)> {
    let [outer, middle, inner]: Window = sizes.window;
    let (z, y, x) =
        (out / (middle.output * inner.output), out / inner.output % middle.output, out % inner.output);
    let mut all = Vec::new();
    for tap in 0..taps(&sizes.window) {
        let (i, j, k) =
            (tap / (middle.kernel * inner.kernel), tap / inner.kernel % middle.kernel, tap % inner.kernel);
        if let (Some(z), Some(y), Some(x)) = (outer.place(z, i), middle.place(y, j), inner.place(x, k)) {
            all.push((tap, (z * middle.input + y) * inner.input + x));
        }
    }
    all
}

/// Any finish.
pub(crate) fn any_finish() -> impl Strategy<Value = Finish> {
    use crate::math::Function as F;
    let function = prop_oneof![
        Just(None),
        Just(Some(F::RELU)),
        Just(Some(F::Clip { low: -0.3, high: 0.4 })),
        Just(Some(F::LeakyRelu { slope: 0.1 })),
        Just(Some(F::HardSigmoid { slope: 0.2, offset: 0.5 })),
        Just(Some(F::HardSwish)),
        Just(Some(F::Sigmoid)),
        Just(Some(F::Silu { scale: 1.0 })),
    ];
    let affine = prop_oneof![Just((1.0, 0.0)), Just((0.5, -2.0))];
    (function, affine).prop_map(|(function, (scale, shift))| {
        function.map_or(Some(Finish::NONE), Finish::of).expect("a cheap function").then(scale, shift)
    })
}

/// Whether results are `finish` of these sums but for rounding. That is made in the sums, of terms of about 1, and
/// no finish here stretches it to more than 1.5 times: so it is allowed to be within `tolerance` of the mean sum
/// and of 1, however small a clip makes the results.
pub(crate) fn close(made: &[f32], sums: &[f64], finish: Finish, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(made.len(), sums.len());
    let mean = sums.iter().map(|x| x.abs()).sum::<f64>() / sums.len().max(1) as f64;
    for (at, (&made, &sum)) in made.iter().zip(sums).enumerate() {
        let expected = finish.exact(sum);
        let error = (f64::from(made) - expected).abs();
        prop_assert!(error <= tolerance * (expected.abs() + mean + 1.0), "{at}: {made} for {expected}");
    }
    Ok(())
}
