//! Signals: windows, Fourier transforms and the mel scale, in f64.

pub(super) mod dft;
mod fft;
pub(super) mod mel;
pub(super) mod stft;
pub(super) mod window;

use crate::{
    error::{OpError, Result},
    value::Tensor,
};

/// The most numbers of one transform.
const LONGEST: usize = 1 << 24;

/// The only integer of a tensor, as a size.
///
/// # Errors
/// `Invalid` for another number of elements or a size that is negative or too large.
fn only_size(tensor: &Tensor) -> Result<usize> {
    match tensor.to_ints()?[..] {
        [size] => usize::try_from(size)
            .ok()
            .filter(|&size| size <= LONGEST)
            .ok_or_else(|| OpError::invalid(format!("expected a size from 0 to {LONGEST}, got {size}"))),
        ref all => Err(OpError::invalid(format!("expected one size, got {} numbers", all.len()))),
    }
}
