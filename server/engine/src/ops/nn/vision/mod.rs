//! Images sampled at places that data name: grids, regions of interest, deformed windows; and the inverses of
//! pools and of windows.

pub(super) mod affine_grid;
pub(super) mod col2im;
pub(super) mod deform_conv;
pub(super) mod grid_sample;
pub(super) mod max_unpool;
pub(super) mod roi_align;
pub(super) mod roi_pool;
mod taps;

use crate::{
    error::{OpError, Result},
    value::Tensor,
};

/// Batch, channels, height and width.
///
/// # Errors
/// `Invalid` for another rank.
fn image(tensor: &Tensor) -> Result<[usize; 4]> {
    match tensor.shape()[..] {
        [batch, channels, height, width] => Ok([batch, channels, height, width]),
        _ => Err(OpError::invalid(format!("expected [N, C, H, W], got {}", tensor.shape()))),
    }
}

/// The image that each region is of.
///
/// # Errors
/// `Invalid` for an image that the batch lacks.
fn batch_index(index: i64, batch: usize) -> Result<usize> {
    usize::try_from(index)
        .ok()
        .filter(|&index| index < batch)
        .ok_or_else(|| OpError::invalid(format!("a region of image {index} of a batch of {batch}")))
}
