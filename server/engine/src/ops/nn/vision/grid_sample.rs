//! `GridSample`: an image or volume at the places of a grid. Since opset 16; 20 adds volumes and renames the
//! modes.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::{parallel, real::Real},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::{
    super::{
        real::{self, dense_strides, elements, real},
        window::split,
    },
    taps::{Axis, Interpolation, Padding, Taps},
};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("GridSample", 16, parse)];

/// Each axis multiplies the elements that a place is made of.
const MOST_AXES: usize = 6;

#[derive(Debug)]
struct GridSample {
    interpolation: Interpolation,
    padding: Padding,
    align_corners: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let interpolation = match node.string_or("mode", "linear")? {
        "linear" | "bilinear" => Interpolation::Linear,
        "cubic" | "bicubic" => Interpolation::Cubic,
        "nearest" => Interpolation::Nearest,
        other => {
            return Err(OpError::invalid(format!("mode must be linear, nearest or cubic, got '{other}'")));
        }
    };
    let padding = match node.string_or("padding_mode", "zeros")? {
        "zeros" => Padding::Zeros,
        "border" => Padding::Border,
        "reflection" => Padding::Reflection,
        other => {
            return Err(OpError::invalid(format!(
                "padding_mode must be zeros, border or reflection, got '{other}'"
            )));
        }
    };
    boxed(GridSample { interpolation, padding, align_corners: node.flag("align_corners", false)? })
}

impl GridSample {
    fn run<T: Real>(&self, input: &Tensor, grid: &Tensor) -> Result<Tensor> {
        let (batch, channels, spatial) = split(input.shape())?;
        if spatial.len() > MOST_AXES {
            let came = spatial.len();
            return Err(OpError::unsupported(format!(
                "sampling along {came} axes is not supported, at most {MOST_AXES}"
            )));
        }
        let places = places(batch, spatial.len(), grid)?;
        let shape = [&[batch, channels], places].concat();
        let count = places.iter().product::<usize>();
        let mut out = vec![T::zero(); checked_len::<T>(&shape)?];
        let (x, grid) = (elements::<T>(input)?, elements::<T>(grid)?);
        let plane = spatial.iter().product::<usize>();
        let axes: Vec<Axis> = spatial.iter().map(|&size| self.axis(size)).collect();
        let strides = dense_strides(spatial);
        let steps = out.len().saturating_mul(1 << spatial.len().min(8));
        parallel::chunks(&mut out, channels * count, steps, |n, out| {
            let image = &x[n * channels * plane..(n + 1) * channels * plane];
            let mut taps = Vec::new();
            for place in 0..count {
                let at = (n * count + place) * axes.len();
                self.taps(&axes, &strides, &grid[at..at + axes.len()], &mut taps);
                for c in 0..channels {
                    let sum = taps.iter().map(|&(i, weight)| image[c * plane + i] * weight).sum();
                    out[c * count + place] = sum;
                }
            }
            Ok(())
        })?;
        real::tensor(input.elem(), &shape, out)
    }

    const fn axis(&self, size: usize) -> Axis {
        Axis { size, padding: self.padding, align_corners: self.align_corners }
    }

    /// The elements that a place is made of; a grid names the last axis first.
    fn taps<T: Real>(&self, axes: &[Axis], strides: &[usize], place: &[T], all: &mut Vec<(usize, T)>) {
        all.clear();
        all.push((0, T::one()));
        for ((axis, &stride), &place) in axes.iter().zip(strides).zip(place.iter().rev()) {
            let taps: Taps<T> = axis.sample(place, self.interpolation);
            let before = std::mem::take(all);
            let pairs = before.iter().flat_map(|&(at, weight)| {
                taps.iter().map(move |&(i, factor)| (at + i * stride, weight * factor))
            });
            all.extend(pairs);
        }
    }
}

/// The output's places: those of a grid `[batch, places..., axes]`.
fn places(batch: usize, axes: usize, grid: &Tensor) -> Result<&[usize]> {
    match &grid.shape()[..] {
        [own, places @ .., last] if *own == batch && *last == axes && places.len() == axes => Ok(places),
        shape => Err(OpError::invalid(format!(
            "expected a grid [{batch}, places of {axes} axes, {axes}], got {shape:?}"
        ))),
    }
}

impl Op for GridSample {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = match (inputs.shape(0).map(Vec::as_slice), inputs.shape(1).map(Vec::as_slice)) {
            (Some([batch, channels, ..]), Some([_, places @ .., _])) => {
                Some([&[batch.clone(), channels.clone()], places].concat())
            }
            (Some(shape), _) => Some(vec![SymDim::Unknown; shape.len()]),
            _ => None,
        };
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, grid) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(real!(input.elem(), T => self.run::<T>(input, grid))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_names_the_last_axis_first() {
        let sample =
            GridSample { interpolation: Interpolation::Linear, padding: Padding::Zeros, align_corners: true };
        let input = Tensor::from_vec(vec![1, 1, 2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let grid = Tensor::from_vec(vec![1, 1, 2, 2], vec![1.0f32, -1.0, 0.0, 1.0]).unwrap();
        let out = sample.run::<f32>(&input, &grid).unwrap();
        assert_eq!((out.shape().to_vec(), out.to_vec::<f32>().unwrap()), (vec![1, 1, 1, 2], vec![2.0, 3.5]));
    }

    #[test]
    fn a_grid_of_other_axes_is_an_error() {
        let sample = GridSample {
            interpolation: Interpolation::Nearest,
            padding: Padding::Border,
            align_corners: false,
        };
        let input = Tensor::from_vec(vec![1, 1, 2, 2], vec![0f32; 4]).unwrap();
        for shape in [vec![1, 1, 1, 3], vec![2, 1, 1, 2], vec![1, 2]] {
            let grid = Tensor::from_vec(&shape[..], vec![0f32; shape.iter().product()]).unwrap();
            assert!(sample.run::<f32>(&input, &grid).is_err(), "{shape:?}");
        }
    }
}
