//! `DFT`: the discrete Fourier transform along one axis. Since opset 17, where the axis is an attribute; an
//! input since 20. The last dimension holds real and imaginary part, or only the real one.

use super::{
    fft::{Complex, Fft},
    only_size,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{
        Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed,
        math::{axes::index, wide},
        one,
    },
    value::{Tensor, checked_len},
};

pub(in crate::ops::math) const OPS: &[OpDef] = &[OpDef::onnx("DFT", 17, parse)];

#[derive(Debug)]
struct Dft {
    /// The attribute of the first version, or the default of input 2.
    axis: i64,
    inverse: bool,
    /// Whether only the half is handed out that tells the other.
    onesided: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Dft {
        axis: if node.opset() < 20 { node.int_or("axis", 1)? } else { -2 },
        inverse: node.flag("inverse", false)?,
        onesided: node.flag("onesided", false)?,
    })
}

/// Complex numbers from the two or one of the last dimension.
///
/// # Errors
/// `Invalid` for another last dimension.
pub(super) fn complex(tensor: &Tensor) -> Result<Vec<Complex>> {
    let data = wide::floats(tensor)?;
    match tensor.shape().last() {
        Some(1) => Ok(data.into_iter().map(|re| Complex { re, im: 0.0 }).collect()),
        Some(2) => Ok(data.chunks_exact(2).map(|pair| Complex { re: pair[0], im: pair[1] }).collect()),
        _ => Err(OpError::invalid(format!("the last dimension must be 1 or 2, got {}", tensor.shape()))),
    }
}

/// The numbers that a transform of `len` hands out.
pub(super) const fn bins(len: usize, onesided: bool) -> usize {
    if onesided { len / 2 + 1 } else { len }
}

impl Dft {
    fn run(&self, input: &Tensor, len: Option<usize>, axis: i64) -> Result<Tensor> {
        let data = complex(input)?;
        let axis = index(axis, input.rank())?;
        let last = input.rank() - 1;
        if axis == last || (self.onesided && input.shape()[last] == 2) {
            return Err(OpError::invalid(
                "a transform along the last dimension, or one side of a complex one",
            ));
        }
        let (own, inner) = (input.shape()[axis], input.shape()[axis + 1..last].iter().product::<usize>());
        let len = len.unwrap_or(own);
        let bins = if len == 0 { 0 } else { bins(len, self.onesided) };
        let mut shape = input.shape().to_vec();
        (shape[axis], shape[last]) = (bins, 2);
        let mut out = vec![0.0; checked_len::<f64>(&shape)?];
        checked_len::<Complex>(&[len, 4])?;
        let fft = Fft::new(len);
        let mut line = vec![Complex::default(); len];
        let blocks =
            data.chunks_exact((own * inner).max(1)).zip(out.chunks_exact_mut((bins * inner * 2).max(1)));
        for (from, to) in blocks {
            for column in 0..inner {
                line.fill(Complex::default());
                let strided = from[column..].iter().step_by(inner);
                line.iter_mut().zip(strided).for_each(|(line, &v)| *line = v);
                if self.inverse {
                    fft.inverse(&mut line)
                } else {
                    fft.forward(&mut line)
                }
                for (bin, value) in line.iter().take(bins).enumerate() {
                    let at = (bin * inner + column) * 2;
                    (to[at], to[at + 1]) = (value.re, value.im);
                }
            }
        }
        wide::tensor(input.elem(), &shape, &out)
    }
}

impl Op for Dft {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = inputs.shape(0).map(|shape| {
            let mut shape = vec![SymDim::Unknown; shape.len()];
            if let Some(last) = shape.last_mut() {
                *last = SymDim::Known(2);
            }
            shape
        });
        Ok(vec![Fact::tensor(inputs.elem(0), shape)])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let len = inputs.opt_tensor(1)?.map(only_size).transpose()?;
        let axis = match inputs.opt_tensor(2)?.map(Tensor::to_ints).transpose()?.as_deref() {
            None => self.axis,
            Some(&[axis]) => axis,
            Some(_) => return Err(OpError::invalid("expected one axis")),
        };
        one(self.run(inputs.tensor(0)?, len, axis)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_transform_pads_and_one_side_is_half() {
        let dft = Dft { axis: 0, inverse: false, onesided: true };
        let input = Tensor::from_vec(vec![2, 1], vec![1.0f32, 1.0]).unwrap();
        let out = dft.run(&input, Some(4), 0).unwrap();
        assert_eq!(out.shape()[..], [3, 2]);
        let expected = [2.0, 0.0, 1.0, -1.0, 0.0, 0.0];
        let came = out.to_vec::<f32>().unwrap();
        assert!(came.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{came:?}");
    }

    #[test]
    fn axes_and_last_dimensions_that_cannot_be_are_errors() {
        let dft = Dft { axis: 0, inverse: false, onesided: true };
        let tensor = |shape: &[usize]| Tensor::from_vec(shape, vec![0f32; shape.iter().product()]).unwrap();
        assert!(dft.run(&tensor(&[2, 3]), None, 0).is_err());
        assert!(dft.run(&tensor(&[2, 1]), None, 1).is_err());
        assert!(dft.run(&tensor(&[2, 2]), None, 0).is_err());
        assert!(dft.run(&tensor(&[]), None, 0).is_err());
    }
}
