//! Matrices side by side, each transposed: images from planes (NCHW) to channels innermost (NHWC) and back, and
//! whatever else swaps two neighbouring groups of dimensions.

use std::ops::Range;

use crate::{
    buffer::{Shared, filled},
    split,
};

/// From `[batch, channels, places]` to `[batch, places, channels]`; `None` where the length does not fit.
pub fn to_channels(planes: &[f32], batch: usize, channels: usize, places: usize) -> Option<Vec<f32>> {
    transposed(planes, batch, channels, places)
}

/// From `[batch, places, channels]` to `[batch, channels, places]`; `None` where the length does not fit.
pub fn to_planes(channels_inside: &[f32], batch: usize, places: usize, channels: usize) -> Option<Vec<f32>> {
    transposed(channels_inside, batch, places, channels)
}

/// Rows and columns of a square that is read and written while it stays in the first cache.
const TILE: usize = 16;

/// From `[batch, rows, columns]` to `[batch, columns, rows]`; `None` where the length does not fit.
pub fn transposed<T: Copy + Send + Sync>(
    from: &[T],
    batch: usize,
    rows: usize,
    columns: usize,
) -> Option<Vec<T>> {
    let len = rows.checked_mul(columns).and_then(|len| len.checked_mul(batch));
    if len != Some(from.len()) {
        return None;
    }
    if rows == 1 || columns == 1 {
        return Some(from.to_vec());
    }
    let stripes = columns.div_ceil(TILE);
    let work = |range: Range<usize>, to: Shared<T>| {
        for stripe in range {
            let (image, first) = (stripe / stripes, stripe % stripes * TILE);
            let from = &from[image * rows * columns..(image + 1) * rows * columns];
            let columns_here = first..columns.min(first + TILE);
            // SAFETY: the stripe's columns are rows of the result that no other task has.
            unsafe { stripe_to(from, rows, columns, columns_here, to, image * rows * columns) }
        }
    };
    // SAFETY: the stripes are all columns of all images.
    Some(unsafe {
        filled(from.len(), |to| {
            let to = Shared(to.as_mut_ptr().cast());
            split::ranges(batch * stripes, rows * TILE, &|range| work(range, to));
        })
    })
}

/// # Safety
/// The rows `stripe` of the result's image at `base` may be written.
unsafe fn stripe_to<T: Copy>(
    from: &[T],
    rows: usize,
    columns: usize,
    stripe: Range<usize>,
    to: Shared<T>,
    base: usize,
) {
    for first in (0..rows).step_by(TILE) {
        let tile = first..rows.min(first + TILE);
        for column in stripe.clone() {
            let to = to.at(base + column * rows);
            for row in tile.clone() {
                // SAFETY: the caller's.
                unsafe { to.add(row).write(from[row * columns + column]) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (batch, channels, places) in
            [(1, 1, 1), (2, 3, 50), (1, 40, 17), (3, 16, 33), (2, 5, 1), (0, 3, 3)]
        {
            let planes: Vec<f32> = (0..batch * channels * places).map(|i| i as f32).collect();
            let inside = to_channels(&planes, batch, channels, places).unwrap();
            for (at, &x) in inside.iter().enumerate() {
                let (image, place, channel) =
                    (at / (channels * places), at / channels % places, at % channels);
                assert_eq!(x, planes[(image * channels + channel) * places + place]);
            }
            assert_eq!(to_planes(&inside, batch, places, channels).unwrap(), planes);
        }
        assert!(to_channels(&[0.0; 5], 1, 2, 3).is_none());
        assert!(to_channels(&[], usize::MAX, 2, 3).is_none());
    }
}
