//! Normalisation of rows: two passes, so that large means cost no precision.

use super::real::{Real, sum};

/// Mean and variance of a row; zero for an empty one.
pub(crate) fn moments<T: Real>(row: &[T]) -> (T, T) {
    if row.is_empty() {
        return (T::zero(), T::zero());
    }
    let count = T::count(row.len());
    let mean = sum(row, |v| v) / count;
    let variance = sum(row, |v| (v - mean) * (v - mean)) / count;
    (mean, variance)
}

/// The mean of the squares of a row; zero for an empty one.
pub(crate) fn mean_square<T: Real>(row: &[T]) -> T {
    if row.is_empty() { T::zero() } else { sum(row, |v| v * v) / T::count(row.len()) }
}

/// `(row - mean) * factor`, in place.
pub(crate) fn standardise<T: Real>(row: &mut [T], mean: T, factor: T) {
    row.iter_mut().for_each(|v| *v = (*v - mean) * factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_a_large_mean() {
        let row: Vec<f32> = (0..1000).map(|i| 10_000.0 + (i % 2) as f32).collect();
        let (mean, variance) = moments(&row);
        assert!((mean - 10_000.5).abs() < 1e-2, "{mean}");
        assert!((variance - 0.25).abs() < 1e-3, "{variance}");
        assert_eq!(moments::<f32>(&[]), (0.0, 0.0));
    }

    #[test]
    fn a_standardised_row_has_mean_0_and_variance_1() {
        let mut row = [1.0f64, 2.0, 3.0, 4.0];
        let (mean, variance) = moments(&row);
        standardise(&mut row, mean, 1.0 / variance.sqrt());
        let (mean, variance) = moments(&row);
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12);
        assert_eq!(mean_square(&[1.0f32, 3.0]), 5.0);
    }
}
