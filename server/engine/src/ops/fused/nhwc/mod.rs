//! Operators on images whose channels lie innermost: `[batch, places..., channels]`, f32. The layout pass puts
//! them in the place of ONNX's, which have `[batch, channels, places...]`.

mod affine;
mod conv;
mod conv_transpose;
mod mean;
mod order;
mod pool;
mod scale;

use girandole_kernels::{conv::Sizes, window::Window};

use crate::error::{OpError, Result};

pub(crate) use affine::NhwcAffine;
pub(crate) use conv::{NhwcConv, Takes};
pub(crate) use conv_transpose::NhwcConvTranspose;
pub(crate) use mean::NhwcMean;
pub(crate) use order::{NhwcOrder, channels_last, planes};
pub(crate) use pool::NhwcPool;
pub(crate) use scale::NhwcScale;

/// A shape's batch, places and channels; at least one axis of places.
///
/// # Errors
/// `Invalid` for a lower rank.
fn split(shape: &[usize]) -> Result<(usize, &[usize], usize)> {
    match shape {
        [batch, places @ .., channels] if !places.is_empty() => Ok((*batch, places, *channels)),
        _ => Err(OpError::invalid(format!("expected [batch, places..., channels], got {shape:?}"))),
    }
}

/// The shape of what a window makes of images with `axes` axes, and the sizes for the kernels.
fn made(batch: usize, window: Window, axes: usize, channels: usize) -> (Vec<usize>, Sizes) {
    let places = window.iter().skip(window.len().saturating_sub(axes)).map(|axis| axis.output);
    let shape = std::iter::once(batch).chain(places).chain([channels]).collect();
    (shape, Sizes { batch, window })
}

/// What a kernel made.
///
/// # Errors
/// `Invalid` where it found that lengths do not fit the shapes.
fn fits<T>(made: Option<T>) -> Result<T> {
    made.ok_or_else(|| OpError::invalid("the images do not fit the operator, or are too large for it"))
}
