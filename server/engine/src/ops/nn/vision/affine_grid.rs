//! `AffineGrid`: for each image the places that an affine map takes its grid to. Since opset 20.

use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::super::real::{self, dense_strides, elements, real};

pub(in super::super) const OPS: &[OpDef] = &[OpDef::onnx("AffineGrid", 20, parse)];

#[derive(Debug)]
struct AffineGrid {
    align_corners: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(AffineGrid { align_corners: node.flag("align_corners", false)? })
}

impl AffineGrid {
    fn run<T: Real>(&self, theta: &Tensor, size: &Tensor) -> Result<Tensor> {
        let sizes: Option<Vec<usize>> = size.to_ints()?.iter().map(|&v| usize::try_from(v).ok()).collect();
        let sizes = sizes.ok_or_else(|| OpError::invalid("a size must not be negative"))?;
        let (&[batch, _, ref spatial @ ..], &[maps, rows, columns]) = (&sizes[..], &theta.shape()[..]) else {
            return Err(misfit(&sizes, theta));
        };
        let axes = spatial.len();
        if !matches!(axes, 2 | 3) || maps != batch || rows != axes || columns != axes + 1 {
            return Err(misfit(&sizes, theta));
        }
        let shape = [&[batch], spatial, &[axes]].concat();
        let mut out = Vec::with_capacity(checked_len::<T>(&shape)?);
        // Numbers of places along all axes, to be taken apart by these.
        let strides = dense_strides(spatial);
        let count = spatial.iter().product::<usize>();
        for map in elements::<T>(theta)?.chunks_exact(rows * columns).take(batch) {
            for place in 0..count {
                // The last axis is x.
                let at = |axis: usize| self.place::<T>(place / strides[axis] % spatial[axis], spatial[axis]);
                for row in map.chunks_exact(columns) {
                    let turned = (0..axes).map(|i| row[i] * at(axes - 1 - i)).sum::<T>();
                    out.push(turned + row[axes]);
                }
            }
        }
        real::tensor(theta.elem(), &shape, out)
    }

    /// Place `i` of `size` between -1 and 1.
    fn place<T: Real>(&self, i: usize, size: usize) -> T {
        let (i, size) = (T::count(i), T::count(size));
        match self.align_corners {
            true if size == T::one() => T::zero(),
            true => T::of(2.0) * i / (size - T::one()) - T::one(),
            false => (T::of(2.0) * i + T::one()) / size - T::one(),
        }
    }
}

fn misfit(sizes: &[usize], theta: &Tensor) -> OpError {
    OpError::invalid(format!(
        "expected a size [N, C, H, W] or [N, C, D, H, W] and maps [N, 2, 3] or [N, 3, 4], got {sizes:?} and {}",
        theta.shape()
    ))
}

impl Op for AffineGrid {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let size = inputs.get(1).and_then(|fact| fact.dims.clone());
        let shape = size.filter(|size| size.len() > 2).map(|mut size| {
            size.remove(1);
            size.push(SymDim::Known(size.len() - 1));
            size
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let (theta, size) = (inputs.tensor(0)?, inputs.tensor(1)?);
        one(real!(theta.elem(), T => self.run::<T>(theta, size))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(align_corners: bool, size: Vec<i64>) -> Result<Vec<f32>> {
        // x is doubled, y moved by 1.
        let theta = Tensor::from_vec(vec![1, 2, 3], vec![2.0f32, 0.0, 0.0, 0.0, 1.0, 1.0])?;
        AffineGrid { align_corners }.run::<f32>(&theta, &Tensor::from_vec(vec![size.len()], size)?)?.to_vec()
    }

    #[test]
    fn the_corners_are_centres_or_edges() {
        assert_eq!(run(true, vec![1, 1, 1, 2]).unwrap(), [-2.0, 1.0, 2.0, 1.0]);
        assert_eq!(run(false, vec![1, 1, 1, 2]).unwrap(), [-1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        for size in [
            vec![2, 1, 1, 2],
            vec![1, 1, 1, 1, 2],
            vec![1, 1],
            vec![1, 1, -1, 2],
            vec![1, 1, 1 << 40, 1 << 40],
        ] {
            assert!(run(false, size.clone()).is_err(), "{size:?}");
        }
    }
}
