//! Where an element of the result lies in the input, and which element is nearest.

use super::sizing::AxisSizing;
use crate::{
    error::{OpError, Result},
    ops::tensor::kernels::Pick,
};

/// From an index of the result to a coordinate of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
    TfCropAndResize,
}

impl Transform {
    /// # Errors
    /// `Invalid` for an unknown name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "half_pixel" => Self::HalfPixel,
            "half_pixel_symmetric" => Self::HalfPixelSymmetric,
            "pytorch_half_pixel" => Self::PytorchHalfPixel,
            "align_corners" => Self::AlignCorners,
            "asymmetric" => Self::Asymmetric,
            "tf_half_pixel_for_nn" => Self::TfHalfPixelForNn,
            "tf_crop_and_resize" => Self::TfCropAndResize,
            other => {
                return Err(OpError::invalid(format!(
                    "attribute 'coordinate_transformation_mode' is unknown: '{other}'"
                )));
            }
        })
    }

    /// The coordinate in the input of index `i` of the result; `None` where it is to be extrapolated.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn coordinate(self, axis: &AxisSizing, i: usize) -> Option<f32> {
        // A dimension that keeps its size is not sampled, whatever the mode; cropping still is.
        if axis.scale == 1.0 && axis.input == axis.output && self != Self::TfCropAndResize {
            return Some(i as f32);
        }
        let (x, input, output) = (i as f32, axis.input as f32, axis.output as f32);
        let half_pixel = (x + 0.5) / axis.scale - 0.5;
        match self {
            Self::HalfPixel => Some(half_pixel),
            Self::HalfPixelSymmetric => {
                let adjustment = output / (axis.scale * input);
                Some(input / 2.0 * (1.0 - adjustment) + half_pixel)
            }
            Self::PytorchHalfPixel => Some(if axis.output > 1 { half_pixel } else { 0.0 }),
            Self::AlignCorners => {
                Some(if axis.output > 1 { x * (input - 1.0) / (output - 1.0) } else { 0.0 })
            }
            Self::Asymmetric => Some(x / axis.scale),
            Self::TfHalfPixelForNn => Some((x + 0.5) / axis.scale),
            Self::TfCropAndResize => {
                let (start, end) = axis.roi;
                let at = if axis.output > 1 {
                    start * (input - 1.0) + x * (end - start) * (input - 1.0) / (output - 1.0)
                } else {
                    0.5 * (start + end) * (input - 1.0)
                };
                Some(at).filter(|at| (0.0..=input - 1.0).contains(at))
            }
        }
    }
}

/// Which neighbour is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
    /// Before opset 11: up where the dimension shrinks, down where it grows.
    Simple,
}

impl Nearest {
    /// # Errors
    /// `Invalid` for an unknown name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        match name {
            "round_prefer_floor" => Ok(Self::RoundPreferFloor),
            "round_prefer_ceil" => Ok(Self::RoundPreferCeil),
            "floor" => Ok(Self::Floor),
            "ceil" => Ok(Self::Ceil),
            other => Err(OpError::invalid(format!("attribute 'nearest_mode' is unknown: '{other}'"))),
        }
    }

    /// The element of the input for each index of the result.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn picks(self, axis: &AxisSizing, transform: Transform) -> Vec<Pick> {
        let pick = |i| {
            let at = self.round(transform.coordinate(axis, i)?, axis.scale).max(0.0);
            Some((at as usize).min(axis.input - 1))
        };
        (0..axis.output).map(pick).collect()
    }

    fn round(self, at: f32, scale: f32) -> f32 {
        match self {
            Self::RoundPreferFloor => (at - 0.5).ceil(),
            Self::RoundPreferCeil => (at + 0.5).floor(),
            Self::Simple if scale < 1.0 => at.ceil(),
            Self::Floor | Self::Simple => at.floor(),
            Self::Ceil => at.ceil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(nearest: Nearest, transform: Transform, input: usize, output: usize) -> Vec<usize> {
        #[allow(clippy::cast_precision_loss)]
        let scale = output as f32 / input as f32;
        let axis = AxisSizing { input, output, scale, roi: (0.0, 1.0) };
        nearest.picks(&axis, transform).into_iter().flatten().collect()
    }

    #[test]
    fn ties_go_where_the_mode_says() {
        use Nearest::{Ceil, Floor, RoundPreferCeil, RoundPreferFloor};
        assert_eq!(picks(RoundPreferFloor, Transform::Asymmetric, 2, 4), [0, 0, 1, 1]);
        assert_eq!(picks(RoundPreferCeil, Transform::Asymmetric, 2, 4), [0, 1, 1, 1]);
        assert_eq!(picks(Floor, Transform::HalfPixel, 2, 4), [0, 0, 0, 1]);
        assert_eq!(picks(Ceil, Transform::AlignCorners, 4, 3), [0, 2, 3]);
    }

    #[test]
    fn a_crop_beyond_the_input_is_extrapolated() {
        let axis = AxisSizing { input: 4, output: 3, scale: 0.75, roi: (0.5, 1.5) };
        let at = |i| Transform::TfCropAndResize.coordinate(&axis, i);
        assert_eq!([at(0), at(1), at(2)], [Some(1.5), Some(3.0), None]);
    }
}
