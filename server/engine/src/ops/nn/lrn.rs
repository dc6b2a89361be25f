//! `LRN`: each element divided by a power of the squares of its neighbours among the channels. Since opset 1;
//! 13 adds bf16.

use crate::{
    error::{OpError, Result},
    graph::Fact,
    kernels::real::Real,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{Tensor, checked_len},
};

use super::real::{self, elements, real};

pub(super) const OPS: &[OpDef] = &[OpDef::onnx("LRN", 1, parse)];

#[derive(Debug)]
struct LocalResponse {
    alpha: f32,
    beta: f32,
    bias: f32,
    /// Channels that are summed over.
    size: usize,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    let size = node.required_int("size")?;
    boxed(LocalResponse {
        alpha: node.float_or("alpha", 1e-4)?,
        beta: node.float_or("beta", 0.75)?,
        bias: node.float_or("bias", 1.0)?,
        size: usize::try_from(size)
            .ok()
            .filter(|&size| size > 0)
            .ok_or_else(|| OpError::invalid(format!("attribute 'size' must be at least 1, got {size}")))?,
    })
}

impl LocalResponse {
    /// The channels that channel `c` of `channels` is divided by.
    fn neighbours(&self, c: usize, channels: usize) -> std::ops::Range<usize> {
        let (before, after) = ((self.size - 1) / 2, (self.size - 1).div_ceil(2));
        c.saturating_sub(before)..c.saturating_add(after).saturating_add(1).min(channels)
    }

    fn run<T: Real>(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        let [_, channels, spatial @ ..] = &shape[..] else {
            return Err(OpError::invalid(format!("expected [batch, channels, places...], got {shape}")));
        };
        checked_len::<T>(shape)?;
        let places: usize = spatial.iter().product();
        let x = elements::<T>(input)?;
        let mut out = Vec::with_capacity(x.len());
        let scale = T::of(f64::from(self.alpha)) / T::count(self.size);
        let (bias, beta) = (T::of(f64::from(self.bias)), T::of(f64::from(self.beta)));
        let mut sums = vec![T::zero(); places];
        for batch in x.chunks_exact((channels * places).max(1)) {
            for c in 0..*channels {
                sums.fill(T::zero());
                for neighbour in self.neighbours(c, *channels) {
                    let plane = &batch[neighbour * places..(neighbour + 1) * places];
                    sums.iter_mut().zip(plane).for_each(|(sum, &v)| *sum += v * v);
                }
                let plane = &batch[c * places..(c + 1) * places];
                out.extend(plane.iter().zip(&sums).map(|(&v, &sum)| v / (bias + scale * sum).powf(beta)));
            }
        }
        real::tensor(input.elem(), shape, out)
    }
}

impl Op for LocalResponse {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(inputs.elem(0), inputs.shape(0).cloned())])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        one(real!(input.elem(), T => self.run::<T>(input))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_size_reaches_one_further_after_the_channel() {
        let lrn = LocalResponse { alpha: 2.0, beta: 1.0, bias: 1.0, size: 2 };
        assert_eq!((lrn.neighbours(0, 3), lrn.neighbours(2, 3)), (0..2, 2..3));
        let input = Tensor::from_vec(vec![1, 2, 1], vec![1.0f32, 2.0]).unwrap();
        assert_eq!(lrn.run::<f32>(&input).unwrap().to_vec::<f32>().unwrap(), [1.0 / 6.0, 2.0 / 5.0]);
    }
}
