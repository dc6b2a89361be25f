//! How large each dimension becomes, and by which scale: from scales or sizes, for some axes or all.

use crate::{
    error::{OpError, Result},
    ops::tensor::shapes::{axes, size},
    value::checked_len,
};

/// What `sizes` means where one scale shall serve every axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    Stretch,
    NotLarger,
    NotSmaller,
}

impl Aspect {
    /// # Errors
    /// `Invalid` for an unknown name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        match name {
            "stretch" => Ok(Self::Stretch),
            "not_larger" => Ok(Self::NotLarger),
            "not_smaller" => Ok(Self::NotSmaller),
            other => Err(OpError::invalid(format!(
                "attribute 'keep_aspect_ratio_policy' must be stretch, not_larger or not_smaller, got '{other}'"
            ))),
        }
    }
}

/// What a node asks for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Scales(Vec<f32>),
    Sizes(Vec<i64>),
}

impl Request {
    /// # Errors
    /// `Invalid` where neither or both are given.
    pub(super) fn new(scales: Option<Vec<f32>>, sizes: Option<Vec<i64>>) -> Result<Self> {
        match (scales, sizes) {
            (Some(scales), None) => Ok(Self::Scales(scales)),
            (None, Some(sizes)) => Ok(Self::Sizes(sizes)),
            _ => Err(OpError::invalid("expected either 'scales' or 'sizes'")),
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Scales(scales) => scales.len(),
            Self::Sizes(sizes) => sizes.len(),
        }
    }
}

/// One dimension: from `input` elements to `output`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AxisSizing {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) scale: f32,
    /// The part of the input that is cropped first, as fractions.
    pub(super) roi: (f32, f32),
}

/// Every dimension.
#[derive(Clone, Debug)]
pub(super) struct Sizing {
    pub(super) axes: Vec<AxisSizing>,
}

impl Sizing {
    /// # Errors
    /// `Invalid` where the lists do not fit the shape or hold no sizes.
    pub(super) fn new(
        shape: &[usize],
        named: Option<&[i64]>,
        request: &Request,
        aspect: Aspect,
        roi: Option<&[f32]>,
    ) -> Result<Self> {
        let named = named.map_or_else(|| Ok((0..shape.len()).collect()), |named| axes(named, shape.len()))?;
        if request.len() != named.len() {
            return Err(OpError::invalid(format!(
                "expected scales or sizes for {} dimensions, got {}",
                named.len(),
                request.len()
            )));
        }
        let whole = |&input| AxisSizing { input, output: input, scale: 1.0, roi: (0.0, 1.0) };
        let mut sizing = Self { axes: shape.iter().map(whole).collect() };
        match request {
            Request::Scales(scales) => sizing.scale(&named, scales)?,
            Request::Sizes(sizes) => sizing.size(&named, sizes, aspect)?,
        }
        if let Some(roi) = roi.filter(|roi| roi.len() == 2 * named.len()) {
            for (i, &axis) in named.iter().enumerate() {
                sizing.axes[axis].roi = (roi[i], roi[named.len() + i]);
            }
        }
        Ok(sizing)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn scale(&mut self, named: &[usize], scales: &[f32]) -> Result<()> {
        for (&axis, &scale) in named.iter().zip(scales) {
            if !(scale > 0.0 && scale.is_finite()) {
                return Err(OpError::invalid(format!("a scale must be greater than 0, got {scale}")));
            }
            let axis = &mut self.axes[axis];
            axis.output = (axis.input as f32 * scale).floor() as usize;
            axis.scale = scale;
        }
        Ok(())
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn size(&mut self, named: &[usize], sizes: &[i64], aspect: Aspect) -> Result<()> {
        for (&axis, &output) in named.iter().zip(sizes) {
            let axis = &mut self.axes[axis];
            axis.output = size(output)?;
            axis.scale = axis.output as f32 / axis.input.max(1) as f32;
        }
        let scales = named.iter().map(|&axis| self.axes[axis].scale);
        let common = match aspect {
            Aspect::Stretch => None,
            Aspect::NotLarger => scales.reduce(f32::min),
            Aspect::NotSmaller => scales.reduce(f32::max),
        };
        if let Some(scale) = common {
            for &axis in named {
                let axis = &mut self.axes[axis];
                axis.output = (axis.input as f32 * scale).round() as usize;
                axis.scale = scale;
            }
        }
        Ok(())
    }

    /// The shape of the result.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.output).collect()
    }

    /// The shape of the result, which is no larger than a tensor may be.
    ///
    /// # Errors
    /// `TooLarge`.
    pub(super) fn checked_shape(&self) -> Result<Vec<usize>> {
        let shape = self.shape();
        checked_len::<f32>(&shape)?;
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(request: &Request, axes: Option<&[i64]>, aspect: Aspect) -> Result<Vec<usize>> {
        Sizing::new(&[1, 3, 4, 8], axes, request, aspect, None)?.checked_shape()
    }

    #[test]
    fn scales_and_sizes_give_the_shape() {
        let scales = Request::Scales(vec![1.0, 1.0, 0.6, 2.5]);
        assert_eq!(shape(&scales, None, Aspect::Stretch).unwrap(), [1, 3, 2, 20]);
        let sizes = Request::Sizes(vec![8, 8]);
        assert_eq!(shape(&sizes, Some(&[2, 3]), Aspect::Stretch).unwrap(), [1, 3, 8, 8]);
        assert_eq!(shape(&sizes, Some(&[2, 3]), Aspect::NotLarger).unwrap(), [1, 3, 4, 8]);
        assert_eq!(shape(&sizes, Some(&[2, 3]), Aspect::NotSmaller).unwrap(), [1, 3, 8, 16]);
    }

    #[test]
    fn what_makes_no_tensor_is_an_error() {
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e30] {
            assert!(shape(&Request::Scales(vec![1.0, 1.0, scale, 1.0]), None, Aspect::Stretch).is_err());
        }
        assert!(shape(&Request::Sizes(vec![1, 1, -2, 2]), None, Aspect::Stretch).is_err());
        assert!(shape(&Request::Sizes(vec![1, 1]), None, Aspect::Stretch).is_err());
        assert!(Request::new(None, None).is_err());
    }
}
