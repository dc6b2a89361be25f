//! Linear and cubic interpolation, one dimension at a time: each result is a weighted sum of a few inputs.

use girandole_kernels::pool;

use super::{coordinates::Transform, sizing::AxisSizing};
use crate::{
    error::{OpError, Result},
    onnx::NodeDef,
    value::{ElemType, Tensor, checked_len},
};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Linear,
    Cubic { a: f32 },
}

/// How weights fall off with distance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    kind: Kind,
    /// Whether a shrinking dimension widens the filter.
    antialias: bool,
    /// Whether what lies outside counts nothing; else the edge is repeated.
    exclude_outside: bool,
}

/// One result's weighted inputs along a dimension.
pub(super) type Taps = Vec<(usize, f32)>;

/// The taps of every index of a dimension; `None` is extrapolated.
#[derive(Clone, Debug)]
pub(super) struct AxisTaps {
    input: usize,
    taps: Vec<Option<Taps>>,
    /// Whether every index is its own.
    identity: bool,
}

impl Filter {
    /// # Errors
    /// `Invalid` where an attribute has another type.
    pub(super) fn linear(node: &NodeDef<'_>) -> Result<Self> {
        Self::parse(node, Kind::Linear)
    }

    /// # Errors
    /// `Invalid` where an attribute has another type.
    pub(super) fn cubic(node: &NodeDef<'_>) -> Result<Self> {
        Self::parse(node, Kind::Cubic { a: node.float_or("cubic_coeff_a", -0.75)? })
    }

    fn parse(node: &NodeDef<'_>, kind: Kind) -> Result<Self> {
        let (antialias, exclude_outside) =
            (node.flag("antialias", false)?, node.flag("exclude_outside", false)?);
        Ok(Self { kind, antialias, exclude_outside })
    }

    /// The taps of every index along a dimension.
    pub(super) fn taps(self, axis: &AxisSizing, transform: Transform) -> AxisTaps {
        let identity =
            axis.input == axis.output && axis.scale == 1.0 && transform != Transform::TfCropAndResize;
        let taps = if identity {
            Vec::new()
        } else {
            let at = |i| transform.coordinate(axis, i);
            (0..axis.output).map(|i| at(i).map(|at| self.around(at, axis))).collect()
        };
        AxisTaps { input: axis.input, taps, identity }
    }

    /// The taps around a coordinate.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn around(self, at: f32, axis: &AxisSizing) -> Taps {
        let scale = if self.antialias { axis.scale.min(1.0) } else { 1.0 };
        let reach = match self.kind {
            Kind::Linear => 1.0,
            Kind::Cubic { .. } => 2.0,
        } / scale;
        let last = axis.input as i64 - 1;
        let (first, end) = ((at - reach).floor() as i64 + 1, (at + reach).ceil() as i64);
        let mut taps: Taps = Vec::new();
        for i in first..end {
            if self.exclude_outside && !(0..=last).contains(&i) {
                continue;
            }
            let weight = self.weight((i as f32 - at) * scale);
            let place = i.clamp(0, last) as usize;
            match taps.last_mut() {
                Some((at, sum)) if *at == place => *sum += weight,
                _ => taps.push((place, weight)),
            }
        }
        let sum: f32 = taps.iter().map(|tap| tap.1).sum();
        if sum != 0.0 && (self.antialias || self.exclude_outside) {
            taps.iter_mut().for_each(|tap| tap.1 /= sum);
        }
        taps
    }

    fn weight(self, distance: f32) -> f32 {
        let x = distance.abs();
        match self.kind {
            Kind::Linear => (1.0 - x).max(0.0),
            Kind::Cubic { a } if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Kind::Cubic { a } if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Kind::Cubic { .. } => 0.0,
        }
    }
}

/// `tensor` sampled by the taps of each dimension; computed in `f32`, whatever the element type.
///
/// # Errors
/// `Unsupported` for booleans and strings, `TooLarge` for too large a result.
pub(super) fn interpolate(tensor: &Tensor, axes: &[AxisTaps], extrapolation: f32) -> Result<Tensor> {
    macro_rules! by_f32 {
        ($type:ty, $up:expr, $down:expr) => {{
            let data: Vec<f32> = tensor.view::<$type>()?.iter().map($up).collect();
            let (shape, data) = sample(tensor.shape(), data, axes, extrapolation)?;
            Tensor::from_vec(shape, data.into_iter().map($down).collect::<Vec<$type>>())
        }};
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    match tensor.elem() {
        ElemType::F32 => {
            let (shape, data) = sample(tensor.shape(), tensor.to_vec::<f32>()?, axes, extrapolation)?;
            Tensor::from_vec(shape, data)
        }
        ElemType::F64 => by_f32!(f64, |&v| v as f32, f64::from),
        ElemType::F16 => by_f32!(half::f16, |v| v.to_f32(), half::f16::from_f32),
        ElemType::BF16 => by_f32!(half::bf16, |v| v.to_f32(), half::bf16::from_f32),
        ElemType::U8 => by_f32!(u8, |&v| f32::from(v), |v| v as u8),
        ElemType::I8 => by_f32!(i8, |&v| f32::from(v), |v| v as i8),
        ElemType::I32 => by_f32!(i32, |&v| v as f32, |v| v as i32),
        ElemType::I64 => by_f32!(i64, |&v| v as f32, |v| v as i64),
        other => Err(OpError::unsupported(format!("interpolation of {other} is not supported"))),
    }
}

fn sample(
    shape: &[usize],
    mut data: Vec<f32>,
    axes: &[AxisTaps],
    extrapolation: f32,
) -> Result<(Vec<usize>, Vec<f32>)> {
    let mut shape = shape.to_vec();
    // Inner dimensions first; what an outer one extrapolates overwrites them.
    for (i, axis) in axes.iter().enumerate().rev().filter(|(_, axis)| !axis.identity) {
        let inner: usize = shape[i + 1..].iter().product();
        shape[i] = axis.taps.len();
        let mut out = vec![0f32; checked_len::<f32>(&shape)?];
        let (read, write) = (axis.input * inner, axis.taps.len() * inner);
        pool::chunks(&mut out, write, |i, out| {
            let data = data.get(i * read..).unwrap_or_default();
            axis.apply(&data[..read.min(data.len())], out, inner, extrapolation);
        });
        data = out;
    }
    Ok((shape, data))
}

impl AxisTaps {
    fn apply(&self, data: &[f32], out: &mut [f32], inner: usize, extrapolation: f32) {
        for (out, taps) in out.chunks_exact_mut(inner).zip(&self.taps) {
            let Some(taps) = taps else {
                out.fill(extrapolation);
                continue;
            };
            for &(place, weight) in taps {
                let row = &data[place * inner..(place + 1) * inner];
                out.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: Filter = Filter { kind: Kind::Linear, antialias: false, exclude_outside: false };

    fn taps(filter: Filter, at: f32, scale: f32) -> Taps {
        filter.around(at, &AxisSizing { input: 4, output: 4, scale, roi: (0.0, 1.0) })
    }

    #[test]
    fn weights_sum_to_one_and_stay_inside() {
        let cubic = Filter { kind: Kind::Cubic { a: -0.75 }, ..LINEAR };
        for filter in
            [LINEAR, cubic, Filter { exclude_outside: true, ..cubic }, Filter { antialias: true, ..cubic }]
        {
            for (at, scale) in [(-0.4, 2.0), (0.0, 2.0), (1.3, 0.4), (3.0, 0.4), (3.4, 1.5)] {
                let taps = taps(filter, at, scale);
                let sum: f32 = taps.iter().map(|tap| tap.1).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{filter:?} at {at}: {taps:?}");
                assert!(taps.iter().all(|tap| tap.0 < 4));
            }
        }
    }

    #[test]
    fn a_whole_coordinate_takes_one_input() {
        let whole = taps(LINEAR, 2.0, 2.0);
        assert_eq!(whole.iter().filter(|tap| tap.1 != 0.0).collect::<Vec<_>>(), [&(2, 1.0)]);
        assert_eq!(taps(LINEAR, -0.25, 2.0), [(0, 1.0)]);
    }
}
