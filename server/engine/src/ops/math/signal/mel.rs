//! `MelWeightMatrix`: triangles of equal width on the mel scale, each a column over the bins of a transform.
//! Since opset 17.

use super::only_size;
use crate::{
    error::{OpError, Result},
    graph::{Fact, SymDim},
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, math::wide, one},
    value::{ElemType, checked_len},
};

pub(in crate::ops::math) const OPS: &[OpDef] = &[OpDef::onnx("MelWeightMatrix", 17, parse)];

#[derive(Debug)]
struct MelWeightMatrix {
    elem: ElemType,
}

fn parse(node: &NodeDef<'_>) -> Result<Box<dyn Op>> {
    boxed(MelWeightMatrix { elem: wide::elem_of(node, "output_datatype")?.unwrap_or(ElemType::F32) })
}

/// What the matrix is for.
struct Scale {
    bands: usize,
    dft_length: usize,
    sample_rate: usize,
    /// The lowest and highest frequency, in Hz.
    edges: (f64, f64),
}

impl Scale {
    /// The bins where triangles begin, peak and end: each one's peak is where the next begins.
    fn corners(&self) -> Result<Vec<usize>> {
        let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
        let (low, high) = (mel(self.edges.0), mel(self.edges.1));
        let step = (high - low) / (self.bands + 2) as f64;
        let corner = |i: usize| {
            let hertz = 700.0 * (10f64.powf((i as f64 * step + low) / 2595.0) - 1.0);
            ((self.dft_length + 1) as f64 * hertz / self.sample_rate as f64).floor()
        };
        let bin = |at: f64| (at >= 0.0 && at <= (self.dft_length / 2) as f64).then_some(at as usize);
        (0..self.bands + 2).map(|i| bin(corner(i))).collect::<Option<Vec<_>>>().ok_or_else(|| {
            OpError::invalid(format!("the bands reach beyond the bins of a transform of {}", self.dft_length))
        })
    }

    fn matrix(&self) -> Result<Vec<f64>> {
        let mut matrix = vec![0.0; checked_len::<f64>(&[self.dft_length / 2 + 1, self.bands])?];
        for (band, corners) in self.corners()?.windows(3).enumerate() {
            let [start, peak, end] = [corners[0], corners[1], corners[2]];
            let mut set = |bin: usize, value: f64| matrix[bin * self.bands + band] = value;
            if start >= peak {
                set(peak, 1.0);
            } else {
                (start..=peak).for_each(|bin| set(bin, (bin - start) as f64 / (peak - start) as f64));
            }
            (peak..end).for_each(|bin| set(bin, (end - bin) as f64 / (end - peak) as f64));
        }
        Ok(matrix)
    }
}

impl Op for MelWeightMatrix {
    fn infer(&self, _inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        Ok(vec![Fact::tensor(Some(self.elem), Some(vec![SymDim::Unknown; 2]))])
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let size = |i: usize| only_size(inputs.tensor(i)?);
        let edge = |i: usize| wide::only_float(inputs.tensor(i)?);
        let scale = Scale {
            bands: size(0)?,
            dft_length: size(1)?,
            sample_rate: size(2)?,
            edges: (edge(3)?, edge(4)?),
        };
        checked_len::<f64>(&[scale.bands + 2])?;
        one(wide::tensor(self.elem, &[scale.dft_length / 2 + 1, scale.bands], &scale.matrix()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_rise_to_one_and_fall_to_the_next_corner() {
        let scale = Scale { bands: 2, dft_length: 64, sample_rate: 8000, edges: (0.0, 4000.0) };
        let (corners, matrix) = (scale.corners().unwrap(), scale.matrix().unwrap());
        assert_eq!(corners.len(), 4);
        assert_eq!(
            (matrix[corners[1] * 2], matrix[corners[2] * 2 + 1], matrix[corners[2] * 2]),
            (1.0, 1.0, 0.0)
        );
    }

    #[test]
    fn bands_beyond_the_bins_are_an_error() {
        let scale = |sample_rate, top| Scale { bands: 2, dft_length: 64, sample_rate, edges: (0.0, top) };
        for scale in [scale(8000, 1e9), scale(0, 4000.0), scale(8000, f64::NAN), scale(8000, -800.0)] {
            assert!(scale.matrix().is_err());
        }
    }
}
