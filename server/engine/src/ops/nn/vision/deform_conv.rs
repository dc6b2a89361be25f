//! `DeformConv`: a convolution over two axes whose taps are moved by offsets and weighed by a mask. Since
//! opset 19; 22 adds bf16.
//!
//! Each image becomes columns of samples between its elements, then one matrix product for each group.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::{
        gemm::{Into, product},
        matrix::{Layout, Mat, MatMut},
        real::Real,
        window::Window,
    },
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    super::{
        conv::groups,
        real::{self, elements, opt_elements, real},
        window::{WindowSpec, size_of},
    },
    image,
    taps::{Axis, Interpolation, Padding},
};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("DeformConv", 19, parse)];

#[derive(Debug)]
struct DeformConv {
    window: WindowSpec,
    groups: usize,
    /// Groups of input channels that share offsets.
    offset_groups: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let offset_groups = size_of("offset_group", node.int_or("offset_group", 1)?)?.max(1);
    boxed(DeformConv { window: WindowSpec::parse(node)?, groups: groups(node)?, offset_groups })
}

/// The sizes of everything, checked against each other.
struct Sizes {
    batch: usize,
    channels: usize,
    out_channels: usize,
    /// Height and width, of the window and of what it slides over.
    window: Window,
    groups: usize,
    offset_groups: usize,
}

impl Sizes {
    fn taps(&self) -> usize {
        self.window[1].kernel * self.window[2].kernel
    }

    fn places(&self) -> usize {
        self.window[1].output * self.window[2].output
    }

    fn plane(&self) -> usize {
        self.window[1].input * self.window[2].input
    }
}

/// Where the taps of one image go, and what they count.
struct Moves<'a, T> {
    offsets: &'a [T],
    mask: Option<&'a [T]>,
}

impl DeformConv {
    fn sizes(
        &self,
        input: &Tensor,
        weights: &Tensor,
        offsets: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<Sizes> {
        let ([batch, channels, height, width], [out_channels, depth, rows, columns]) =
            (image(input)?, image(weights)?);
        let window = self.window.resolve(&[height, width], &[rows, columns])?;
        let sizes = Sizes {
            batch,
            channels,
            out_channels,
            window,
            groups: self.groups,
            offset_groups: self.offset_groups,
        };
        let moved = sizes.offset_groups.saturating_mul(sizes.taps());
        let output = [window[1].output, window[2].output];
        let fits = depth.checked_mul(self.groups) == Some(channels)
            && out_channels.is_multiple_of(self.groups)
            && channels.is_multiple_of(self.offset_groups)
            && offsets.shape()[..] == [batch, moved.saturating_mul(2), output[0], output[1]]
            && mask.is_none_or(|mask| mask.shape()[..] == [batch, moved, output[0], output[1]]);
        if fits {
            return Ok(sizes);
        }
        Err(OpError::invalid(format!(
            "weights {} in {} groups and offsets {} in {} groups do not fit an input of {}",
            weights.shape(),
            self.groups,
            offsets.shape(),
            self.offset_groups,
            input.shape()
        )))
    }

    fn run<T: Real>(&self, inputs: &Inputs) -> Result<Tensor> {
        let (input, weights, offsets) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        let (bias, mask) = (inputs.opt_tensor(3)?, inputs.opt_tensor(4)?);
        let sizes = self.sizes(input, weights, offsets, mask)?;
        let (places, taps) = (sizes.places(), sizes.taps());
        let shape = [sizes.batch, sizes.out_channels, sizes.window[1].output, sizes.window[2].output];
        let mut out = vec![T::zero(); checked_len::<T>(&shape)?];
        let mut columns = vec![T::zero(); checked_len::<T>(&[sizes.channels, taps, places])?];
        let (x, offsets, mask) = (elements::<T>(input)?, elements::<T>(offsets)?, opt_elements::<T>(mask)?);
        let weights = elements::<T>(weights)?;
        let moved = sizes.offset_groups * taps * places;
        let image_len = sizes.channels * sizes.plane();
        for (n, out) in out.chunks_exact_mut((sizes.out_channels * places).max(1)).enumerate() {
            let moves = Moves {
                offsets: &offsets[n * 2 * moved..(n + 1) * 2 * moved],
                mask: mask.as_ref().map(|mask| &mask[n * moved..(n + 1) * moved]),
            };
            sample(&sizes, &x[n * image_len..(n + 1) * image_len], &moves, &mut columns);
            multiply(&sizes, &weights, &columns, out)?;
        }
        if let Some(bias) = opt_elements::<T>(bias)? {
            if bias.len() != sizes.out_channels {
                return Err(OpError::invalid(format!(
                    "expected a bias of {}, got {}",
                    sizes.out_channels,
                    bias.len()
                )));
            }
            let planes = out.chunks_exact_mut(places.max(1)).enumerate();
            planes.for_each(|(i, plane)| plane.iter_mut().for_each(|v| *v += bias[i % bias.len()]));
        }
        real::tensor(input.elem(), &shape, out)
    }
}

/// The samples of every tap: a row for each channel and tap, a column for each place of the output.
fn sample<T: Real>(sizes: &Sizes, image: &[T], moves: &Moves<'_, T>, columns: &mut [T]) {
    let (taps, places, plane) = (sizes.taps(), sizes.places(), sizes.plane());
    let [_, down, across] = &sizes.window;
    let axis = |size| Axis { size, padding: Padding::Zeros, align_corners: false };
    let (rows, cols) = (axis(down.input), axis(across.input));
    let per_group = sizes.channels / sizes.offset_groups;
    for group in 0..sizes.offset_groups {
        for tap in 0..taps {
            let moved = (group * taps + tap) * places;
            for place in 0..places {
                // Of the window's own place; the offset is added to it.
                let y = place / across.output * down.stride + tap / across.kernel * down.dilation;
                let x = place % across.output * across.stride + tap % across.kernel * across.dilation;
                let y = T::count(y) - T::count(down.pad_begin) + moves.offsets[2 * moved + place];
                let x = T::count(x) - T::count(across.pad_begin) + moves.offsets[2 * moved + places + place];
                let (ys, xs) = (rows.taps(y, Interpolation::Linear), cols.taps(x, Interpolation::Linear));
                let factor = moves.mask.map_or_else(T::one, |mask| mask[moved + place]);
                for c in group * per_group..(group + 1) * per_group {
                    let channel = &image[c * plane..(c + 1) * plane];
                    let row = |&(y, wy): &(usize, T)| {
                        xs.iter().map(|&(x, wx)| channel[y * across.input + x] * wx).sum::<T>() * wy
                    };
                    columns[(c * taps + tap) * places + place] = ys.iter().map(row).sum::<T>() * factor;
                }
            }
        }
    }
}

/// The weights of each group times its columns.
fn multiply<T: Real>(sizes: &Sizes, weights: &[T], columns: &[T], out: &mut [T]) -> Result<()> {
    let (rows, depth) = (sizes.out_channels / sizes.groups, sizes.channels / sizes.groups * sizes.taps());
    let places = sizes.places();
    for (group, out) in out.chunks_exact_mut((rows * places).max(1)).enumerate() {
        product(
            MatMut::new(out, rows, places)?,
            Into::Replace,
            T::one(),
            Mat::new(weights, group * rows * depth, Layout::dense(rows, depth))?,
            Mat::new(columns, group * depth * places, Layout::dense(depth, places))?,
        )?;
    }
    Ok(())
}

impl Op for DeformConv {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match (inputs.shape(0), inputs.shape(1), inputs.shape(2)) {
            (Some(input), Some(weights), Some(offsets))
                if [input, weights, offsets].iter().all(|s| s.len() == 4) =>
            {
                Some(vec![input[0].clone(), weights[0].clone(), offsets[2].clone(), offsets[3].clone()])
            }
            _ => None,
        };
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        one(real!(inputs.tensor(0)?.elem(), T => self.run::<T>(&inputs))?)
    }
}
