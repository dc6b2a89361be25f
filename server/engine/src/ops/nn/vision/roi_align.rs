//! `RoiAlign`: bins of regions of interest, each the mean or maximum of samples between the elements. Since
//! opset 10; 16 adds `coordinate_transformation_mode`, whose default moves by half an element.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    super::{
        real::{self, elements, real},
        window::size_of,
    },
    batch_index, image,
};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("RoiAlign", 10, parse)];

/// The most samples along one axis of a bin; a region that would need more lies far outside its image.
const MOST_SAMPLES: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Mean,
    Max,
}

#[derive(Debug)]
struct RoiAlign {
    mode: Mode,
    /// Bins along height and width.
    bins: [usize; 2],
    /// Samples along each axis of a bin; 0 is as many as it has elements.
    samples: usize,
    scale: f32,
    half_pixel: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let size = |name: &str, default| size_of(name, node.int_or(name, default)?);
    let default = if node.opset() < 16 { "output_half_pixel" } else { "half_pixel" };
    boxed(RoiAlign {
        mode: match node.string_or("mode", "avg")? {
            "avg" => Mode::Mean,
            "max" => Mode::Max,
            other => return Err(OpError::invalid(format!("mode must be avg or max, got '{other}'"))),
        },
        bins: [size("output_height", 1)?, size("output_width", 1)?],
        samples: size("sampling_ratio", 0)?.min(MOST_SAMPLES),
        scale: node.float_or("spatial_scale", 1.0)?,
        half_pixel: match node.string_or("coordinate_transformation_mode", default)? {
            "half_pixel" => true,
            "output_half_pixel" => false,
            other => {
                return Err(OpError::invalid(format!(
                    "coordinate_transformation_mode must be half_pixel or output_half_pixel, got '{other}'"
                )));
            }
        },
    })
}

/// The samples of one axis of a region: `count` for each bin, each two elements and the second one's weight.
struct Samples<T> {
    each: Vec<Option<(usize, usize, T)>>,
    count: usize,
}

impl RoiAlign {
    /// The samples along an axis of `size` elements, for a region from `start` to `end`.
    fn samples<T: Real>(&self, start: T, end: T, bins: usize, size: usize) -> Result<Samples<T>> {
        let offset = T::of(if self.half_pixel { 0.5 } else { 0.0 });
        let scale = T::of(f64::from(self.scale));
        let start = start * scale - offset;
        let length = end * scale - offset - start;
        // Regions without extent were made one element long.
        let length = if self.half_pixel { length } else { length.max(T::one()) };
        let bin = length / T::count(bins);
        let wanted = if self.samples == 0 { bin.ceil().max(T::zero()) } else { T::count(self.samples) };
        if wanted > T::count(MOST_SAMPLES) {
            return Err(OpError::invalid(format!(
                "a region of {length:?} elements is far outside its image"
            )));
        }
        let count = wanted.to_usize().unwrap_or(0);
        let place = |i: usize| {
            let (bin_start, within) = (T::count(i / count) * bin, T::count(i % count) + T::of(0.5));
            between(start + bin_start + within * bin / T::count(count), size)
        };
        checked_len::<(usize, usize, T)>(&[bins, count])?;
        Ok(Samples { each: (0..bins * count).map(place).collect(), count })
    }

    fn bin<T: Real>(
        &self,
        plane: &[T],
        width: usize,
        ys: &[Option<(usize, usize, T)>],
        xs: &[Option<(usize, usize, T)>],
    ) -> T {
        let mut all: Option<T> = None;
        for y in ys {
            for x in xs {
                let value = self.sample(plane, width, *y, *x);
                all = Some(match (all, self.mode) {
                    (None, _) => value,
                    (Some(all), Mode::Mean) => all + value,
                    (Some(all), Mode::Max) => all.max(value),
                });
            }
        }
        let count = if self.mode == Mode::Mean { (ys.len() * xs.len()).max(1) } else { 1 };
        all.unwrap_or_default() / T::count(count)
    }

    fn sample<T: Real>(
        &self,
        plane: &[T],
        width: usize,
        y: Option<(usize, usize, T)>,
        x: Option<(usize, usize, T)>,
    ) -> T {
        let (Some((top, bottom, fy)), Some((left, right, fx))) = (y, x) else { return T::zero() };
        let at = |y: usize, x: usize| plane[y * width + x];
        let (gy, gx) = (T::one() - fy, T::one() - fx);
        let [a, b, c, d] = [
            gy * gx * at(top, left),
            gy * fx * at(top, right),
            fy * gx * at(bottom, left),
            fy * fx * at(bottom, right),
        ];
        match self.mode {
            Mode::Mean => a + b + c + d,
            // The maximum is over the weighted elements, not over the samples.
            Mode::Max => a.max(b).max(c).max(d),
        }
    }

    fn run<T: Real>(&self, inputs: &Inputs, run: &RunContext) -> Result<Tensor> {
        let (input, regions, batches) = (inputs.tensor(0)?, inputs.tensor(1)?, inputs.tensor(2)?);
        let [batch, channels, height, width] = image(input)?;
        let batches = batches.to_ints()?;
        if regions.shape()[..] != [batches.len(), 4] || height == 0 || width == 0 {
            let (regions, count) = (regions.shape(), batches.len());
            return Err(OpError::invalid(format!("expected {count} regions of 4 numbers, got {regions}")));
        }
        let [rows, columns] = self.bins;
        let shape = [batches.len(), channels, rows, columns];
        let mut out = Vec::with_capacity(checked_len::<T>(&shape)?);
        let (x, regions) = (elements::<T>(input)?, elements::<T>(regions)?);
        for (&index, region) in batches.iter().zip(regions.chunks_exact(4)) {
            run.check()?;
            let index = batch_index(index, batch)?;
            let ys = self.samples(region[1], region[3], rows, height)?;
            let xs = self.samples(region[0], region[2], columns, width)?;
            for plane in (0..channels).map(|c| (index * channels + c) * height * width) {
                let plane = &x[plane..plane + height * width];
                for bin in 0..rows * columns {
                    let (ys, xs) = (ys.of(bin / columns), xs.of(bin % columns));
                    out.push(self.bin(plane, width, ys, xs));
                }
            }
        }
        real::tensor(input.elem(), &shape, out)
    }
}

impl<T> Samples<T> {
    fn of(&self, bin: usize) -> &[Option<(usize, usize, T)>] {
        &self.each[bin * self.count..(bin + 1) * self.count]
    }
}

/// The elements on both sides of a place and the second one's weight; `None` more than one element outside.
fn between<T: Real>(at: T, size: usize) -> Option<(usize, usize, T)> {
    if !(at >= -T::one() && at <= T::count(size)) {
        return None;
    }
    let at = at.max(T::zero());
    let low = at.to_usize()?;
    if low + 1 >= size {
        Some((size - 1, size - 1, T::zero()))
    } else {
        Some((low, low + 1, at - T::count(low)))
    }
}

impl Op for RoiAlign {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let dim = |i: usize, axis: usize| {
            inputs.shape(i).and_then(|shape| shape.get(axis)).cloned().unwrap_or(SymDim::Unknown)
        };
        let [rows, columns] = self.bins.map(SymDim::Known);
        Ok(vec![Fact::tensor(inputs.elem(0), Some(vec![dim(1, 0), dim(0, 1), rows, columns]))])
    }

    fn eval(&self, inputs: Inputs, run: &RunContext) -> Result<Outputs> {
        one(real!(inputs.tensor(0)?.elem(), T => self.run::<T>(&inputs, run))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(op: &RoiAlign, region: [f32; 4], index: i64) -> Result<Vec<f32>> {
        let inputs = Inputs::new(vec![
            Some(Tensor::from_vec(vec![1, 1, 2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?.into()),
            Some(Tensor::from_vec(vec![1, 4], region.to_vec())?.into()),
            Some(Tensor::from_vec(vec![1], vec![index])?.into()),
        ]);
        op.run::<f32>(&inputs, &RunContext::default())?.to_vec()
    }

    fn op(mode: Mode) -> RoiAlign {
        RoiAlign { mode, bins: [1, 1], samples: 1, scale: 1.0, half_pixel: true }
    }

    #[test]
    fn a_bin_is_the_mean_or_the_largest_weighted_element_of_its_samples() {
        assert_eq!(run(&op(Mode::Mean), [0.0, 0.0, 2.0, 2.0], 0).unwrap(), [2.5]);
        assert_eq!(run(&op(Mode::Max), [0.0, 0.0, 2.0, 2.0], 0).unwrap(), [1.0]);
        let fine = RoiAlign { samples: 0, bins: [1, 2], ..op(Mode::Mean) };
        assert_eq!(run(&fine, [0.0, 0.0, 2.0, 2.0], 0).unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn regions_far_outside_and_images_that_are_not_there_are_errors() {
        let fine = RoiAlign { samples: 0, ..op(Mode::Mean) };
        assert!(run(&fine, [0.0, 0.0, 1e30, 1.0], 0).is_err());
        assert!(run(&fine, [0.0, 0.0, 1.0, 1.0], 1).is_err());
        assert_eq!(run(&fine, [f32::NAN; 4], 0).unwrap(), [0.0]);
    }
}
