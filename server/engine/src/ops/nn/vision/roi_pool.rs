//! `MaxRoiPool`: bins of regions of interest, each the maximum of the elements that it touches. Since opset 1.

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
        window::sizes,
    },
    batch_index, image,
};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("MaxRoiPool", 1, parse)];

#[derive(Debug)]
struct MaxRoiPool {
    bins: [usize; 2],
    scale: f32,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let bins = sizes(node, "pooled_shape", 1)?;
    let bins = <[usize; 2]>::try_from(bins).map_err(|came| {
        OpError::invalid(format!("attribute 'pooled_shape' must hold 2 sizes, got {}", came.len()))
    })?;
    boxed(MaxRoiPool { bins, scale: node.float_or("spatial_scale", 1.0)? })
}

impl MaxRoiPool {
    /// The elements of bin `bin` of `bins` over a region from `start` to `end`, both included.
    fn range<T: Real>(
        &self,
        start: T,
        end: T,
        (bin, bins): (usize, usize),
        size: usize,
    ) -> std::ops::Range<usize> {
        let scale = T::of(f64::from(self.scale));
        let (start, end) = ((start * scale).round(), (end * scale).round());
        let length = (end - start + T::one()).max(T::one()) / T::count(bins);
        let limit = |at: T| (at + start).max(T::zero()).min(T::count(size)).to_usize().unwrap_or(0);
        limit((T::count(bin) * length).floor())..limit((T::count(bin + 1) * length).ceil())
    }

    fn run<T: Real>(&self, input: &Tensor, regions: &Tensor) -> Result<Tensor> {
        let [batch, channels, height, width] = image(input)?;
        let [count, 5] = regions.shape()[..] else {
            return Err(OpError::invalid(format!("expected regions of 5 numbers, got {}", regions.shape())));
        };
        let [rows, columns] = self.bins;
        let shape = [count, channels, rows, columns];
        let mut out = Vec::with_capacity(checked_len::<T>(&shape)?);
        let (x, regions) = (elements::<T>(input)?, elements::<T>(regions)?);
        for region in regions.chunks_exact(5) {
            let index = batch_index(region[0].to_i64().unwrap_or(-1), batch)?;
            let ys: Vec<_> = (0..rows).map(|i| self.range(region[2], region[4], (i, rows), height)).collect();
            let xs: Vec<_> =
                (0..columns).map(|i| self.range(region[1], region[3], (i, columns), width)).collect();
            for plane in (0..channels).map(|c| (index * channels + c) * height * width) {
                let plane = &x[plane..plane + height * width];
                for bin in 0..rows * columns {
                    let (ys, xs) = (&ys[bin / columns], &xs[bin % columns]);
                    let lines = ys.clone().flat_map(|y| xs.clone().map(move |x| plane[y * width + x]));
                    // A bin of nothing is 0.
                    out.push(lines.reduce(T::max).unwrap_or_default());
                }
            }
        }
        real::tensor(input.elem(), &shape, out)
    }
}

impl Op for MaxRoiPool {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let dim = |i: usize, axis: usize| {
            inputs.shape(i).and_then(|shape| shape.get(axis)).cloned().unwrap_or(SymDim::Unknown)
        };
        let [rows, columns] = self.bins.map(SymDim::Known);
        Ok(vec![Fact::tensor(inputs.elem(0), Some(vec![dim(1, 0), dim(0, 1), rows, columns]))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (input, regions) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(real!(input.elem(), T => self.run::<T>(input, regions))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(region: [f32; 5]) -> Result<Vec<f32>> {
        let input = Tensor::from_vec(vec![1, 1, 2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
        let regions = Tensor::from_vec(vec![1, 5], region.to_vec())?;
        MaxRoiPool { bins: [1, 2], scale: 1.0 }.run::<f32>(&input, &regions)?.to_vec()
    }

    #[test]
    fn bins_overlap_where_the_region_does_not_divide() {
        assert_eq!(run([0.0, 0.0, 0.0, 2.0, 0.0]).unwrap(), [2.0, 3.0]);
        assert_eq!(run([0.0, 1.0, 1.0, 1.0, 1.0]).unwrap(), [5.0, 5.0]);
        assert_eq!(run([0.0, 9.0, 9.0, 10.0, 10.0]).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn an_image_that_is_not_there_is_an_error() {
        assert!(run([1.0, 0.0, 0.0, 1.0, 1.0]).is_err());
        assert!(run([f32::NAN, 0.0, 0.0, 1.0, 1.0]).is_err());
    }
}
