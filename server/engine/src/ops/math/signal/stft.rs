//! `STFT`: Fourier transforms of windows that slide along a signal. Since opset 17.

use super::{
    dft::{bins, complex},
    fft::{Complex, Fft},
    only_size,
};
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, math::wide, one},
    value::{Tensor, checked_len},
};

pub(in crate::ops::math) const OPS: &[OpDef] = &[OpDef::onnx("STFT", 17, parse)];

#[derive(Debug)]
struct Stft {
    onesided: bool,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(Stft { onesided: node.flag("onesided", true)? })
}

impl Stft {
    fn run(
        &self,
        signal: &Tensor,
        step: usize,
        window: Option<Vec<f64>>,
        len: Option<usize>,
    ) -> Result<Tensor> {
        let [batch, samples, parts] = signal.shape()[..] else {
            return Err(OpError::invalid(format!(
                "expected [batch, samples, 1 or 2], got {}",
                signal.shape()
            )));
        };
        let len = len.or(window.as_ref().map(Vec::len)).unwrap_or(samples);
        let window = window.unwrap_or_else(|| vec![1.0; len]);
        if step == 0 || len == 0 || len > samples || (self.onesided && parts == 2) {
            return Err(OpError::invalid(format!(
                "cannot slide frames of {len} by {step} along {samples} samples of {parts} parts"
            )));
        }
        let (frames, bins) = ((samples - len) / step + 1, bins(len, self.onesided));
        let shape = [batch, frames, bins, 2];
        let mut out = Vec::with_capacity(checked_len::<f64>(&shape)?);
        let (data, fft) = (complex(signal)?, Fft::new(len));
        let mut line = vec![Complex::default(); len];
        for signal in data.chunks_exact(samples) {
            for frame in 0..frames {
                line.fill(Complex::default());
                let weighted = signal[frame * step..].iter().zip(&window);
                line.iter_mut()
                    .zip(weighted)
                    .for_each(|(to, (v, &w))| *to = Complex { re: v.re * w, im: v.im * w });
                fft.forward(&mut line);
                out.extend(line.iter().take(bins).flat_map(|v| [v.re, v.im]));
            }
        }
        wide::tensor(signal.elem(), &shape, &out)
    }
}

impl Op for Stft {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let batch = inputs.shape(0).and_then(|shape| shape.first()).cloned().unwrap_or(SymDim::Unknown);
        let shape = vec![batch, SymDim::Unknown, SymDim::Unknown, SymDim::Known(2)];
        Ok(vec![Fact::tensor(inputs.elem(0), Some(shape))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let step = only_size(inputs.tensor(1)?)?;
        let window = inputs.opt_tensor(2)?.map(wide::floats).transpose()?;
        let len = inputs.opt_tensor(3)?.map(only_size).transpose()?;
        one(self.run(inputs.tensor(0)?, step, window, len)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_slide_and_the_window_weighs() {
        let signal = Tensor::from_vec(vec![1, 4, 1], vec![1.0f64, 2.0, 3.0, 4.0]).unwrap();
        let out = Stft { onesided: true }.run(&signal, 2, Some(vec![1.0, 2.0]), None).unwrap();
        assert_eq!(out.shape()[..], [1, 2, 2, 2]);
        assert_eq!(out.to_vec::<f64>().unwrap(), [5.0, 0.0, -3.0, 0.0, 11.0, 0.0, -5.0, 0.0]);
    }

    #[test]
    fn frames_that_do_not_fit_are_errors() {
        let signal = Tensor::from_vec(vec![1, 4, 1], vec![0f32; 4]).unwrap();
        for (step, len) in [(0, 2), (1, 5), (1, 0)] {
            assert!(Stft { onesided: true }.run(&signal, step, None, Some(len)).is_err(), "{step} {len}");
        }
    }
}
