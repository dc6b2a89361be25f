//! `Resize` (since opset 10) and `Upsample` (7 to 9): tensors sampled at other sizes.
//!
//! Opset 10 knows only `asymmetric` coordinates; 11 brings `roi`, `sizes` and the coordinate modes, 18 brings
//! `axes`, `antialias` and the aspect policies, 19 `half_pixel_symmetric`.

mod coordinates;
mod sizing;
mod weights;

use crate::{
    error::{OpError, Result},
    graph::Fact,
    onnx::NodeDef,
    ops::{Facts, Inputs, Op, OpDef, Outputs, RunContext, boxed, one},
    value::{ElemType, Tensor},
};

use super::{
    kernels::select,
    shapes::{one_fact, unknown},
};
use coordinates::{Nearest, Transform};
use sizing::{Aspect, Request, Sizing};
use weights::{Filter, interpolate};

pub(super) const OPS: &[OpDef] = &[
    OpDef::onnx("Resize", 10, |node| boxed(Resize::parse(node)?)),
    OpDef::onnx("Upsample", 7, |node| boxed(Resize::parse_upsample(node)?)),
];

#[derive(Clone, Copy, Debug)]
enum Mode {
    Nearest(Nearest),
    Weighted(Filter),
}

/// `Resize` and `Upsample`.
#[derive(Debug)]
pub(crate) struct Resize {
    mode: Mode,
    transform: Transform,
    extrapolation: f32,
    axes: Option<Vec<i64>>,
    aspect: Aspect,
    places: Places,
}

/// Which inputs hold what.
#[derive(Debug)]
enum Places {
    /// `X, scales` (before opset 11).
    Scales,
    /// `X, roi, scales, sizes`.
    All,
    /// The scales of opset 7 and 8, an attribute.
    Fixed(Vec<f32>),
}

impl Resize {
    /// Which inputs have an entry (for the region of interest two) for each dimension, where the operator has
    /// no other notion of dimensions.
    pub(crate) fn per_dimension(&self) -> Option<&'static [usize]> {
        match &self.places {
            _ if self.axes.is_some() => None,
            Places::Scales => Some(&[1]),
            Places::All => Some(&[1, 2, 3]),
            Places::Fixed(_) => None,
        }
    }

    fn parse(node: &NodeDef<'_>) -> Result<Self> {
        let old = node.opset() < 11;
        let transform = if old {
            Transform::Asymmetric
        } else {
            Transform::parse(node.string_or("coordinate_transformation_mode", "half_pixel")?)?
        };
        let nearest = if old {
            Nearest::Simple
        } else {
            Nearest::parse(node.string_or("nearest_mode", "round_prefer_floor")?)?
        };
        Ok(Self {
            mode: mode(node, nearest)?,
            transform,
            extrapolation: node.float_or("extrapolation_value", 0.0)?,
            axes: node.ints("axes")?,
            aspect: Aspect::parse(node.string_or("keep_aspect_ratio_policy", "stretch")?)?,
            places: if old { Places::Scales } else { Places::All },
        })
    }

    fn parse_upsample(node: &NodeDef<'_>) -> Result<Self> {
        let scales = if node.opset() < 9 { node.floats("scales")? } else { None };
        Ok(Self {
            mode: mode(node, Nearest::Simple)?,
            transform: Transform::Asymmetric,
            extrapolation: 0.0,
            axes: None,
            aspect: Aspect::Stretch,
            places: scales.map_or(Places::Scales, Places::Fixed),
        })
    }

    fn sizing(&self, inputs: &Inputs, shape: &[usize]) -> Result<Sizing> {
        let floats = |i: usize| inputs.opt_tensor(i)?.filter(|t| !t.is_empty()).map(floats).transpose();
        let (roi, request) = match &self.places {
            Places::Fixed(scales) => (None, Request::Scales(scales.clone())),
            Places::Scales => (None, Request::new(floats(1)?, None)?),
            Places::All => {
                let sizes = inputs.opt_tensor(3)?.filter(|t| !t.is_empty());
                (floats(1)?, Request::new(floats(2)?, sizes.map(Tensor::to_ints).transpose()?)?)
            }
        };
        Sizing::new(shape, self.axes.as_deref(), &request, self.aspect, roi.as_deref())
    }

    fn known_shape(&self, facts: &Facts<'_>) -> Option<Vec<usize>> {
        let shape = facts.get(0)?.concrete_shape()?;
        let constant = |i: usize| facts.get(i).and_then(Fact::constant_tensor).filter(|t| !t.is_empty());
        let request = match &self.places {
            Places::Fixed(scales) => Request::Scales(scales.clone()),
            Places::Scales => Request::Scales(floats(constant(1)?).ok()?),
            Places::All => {
                let scales = constant(2).map(floats).transpose().ok()?;
                Request::new(scales, constant(3).and_then(|sizes| sizes.to_ints().ok())).ok()?
            }
        };
        Sizing::new(&shape, self.axes.as_deref(), &request, self.aspect, None)
            .ok()
            .map(|sizing| sizing.shape())
    }
}

fn mode(node: &NodeDef<'_>, nearest: Nearest) -> Result<Mode> {
    match node.string_or("mode", "nearest")? {
        "nearest" => Ok(Mode::Nearest(nearest)),
        "linear" | "bilinear" => Ok(Mode::Weighted(Filter::linear(node)?)),
        "cubic" => Ok(Mode::Weighted(Filter::cubic(node)?)),
        other => {
            Err(OpError::invalid(format!("attribute 'mode' must be nearest, linear or cubic, got '{other}'")))
        }
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    #[allow(clippy::cast_possible_truncation)]
    match tensor.elem() {
        ElemType::F64 => Ok(tensor.view::<f64>()?.iter().map(|&v| v as f32).collect()),
        ElemType::F16 => Ok(tensor.view::<half::f16>()?.iter().map(|v| v.to_f32()).collect()),
        _ => tensor.to_vec::<f32>(),
    }
}

impl Op for Resize {
    fn infer(&self, inputs: &Facts<'_>, _outputs: usize) -> Result<Vec<Fact>> {
        let shape = self.known_shape(inputs).map(|shape| super::shapes::known(&shape));
        let rank = inputs.shape(0).map(|shape| unknown(shape.len()));
        one_fact(inputs.elem(0), shape.or(rank))
    }

    fn eval(&self, inputs: Inputs, _run: &RunContext) -> Result<Outputs> {
        let input = inputs.tensor(0)?;
        let sizing = self.sizing(&inputs, input.shape())?;
        let shape = sizing.checked_shape()?;
        if input.is_empty() || shape.contains(&0) {
            return one(select(input, &vec![vec![]; input.rank()], None)?.reshape(shape)?);
        }
        match self.mode {
            Mode::Nearest(nearest) => {
                let picks: Vec<_> =
                    sizing.axes.iter().map(|axis| nearest.picks(axis, self.transform)).collect();
                one(select(input, &picks, fill(input.elem(), self.extrapolation)?.as_ref())?)
            }
            Mode::Weighted(filter) => {
                let taps: Vec<_> = sizing.axes.iter().map(|axis| filter.taps(axis, self.transform)).collect();
                one(interpolate(input, &taps, self.extrapolation)?)
            }
        }
    }
}

fn fill(elem: ElemType, value: f32) -> Result<Option<Tensor>> {
    match elem {
        ElemType::F32 => Tensor::scalar(value).map(Some),
        ElemType::F64 => Tensor::scalar(f64::from(value)).map(Some),
        ElemType::F16 => Tensor::scalar(half::f16::from_f32(value)).map(Some),
        ElemType::BF16 => Tensor::scalar(half::bf16::from_f32(value)).map(Some),
        _ => Ok(None),
    }
}
