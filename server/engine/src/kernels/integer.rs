//! Matrix products of integers, which wrap around as ONNX Runtime's do.

use num_traits::{WrappingAdd, WrappingMul, Zero};

/// An integer that kernels multiply and add.
pub(crate) trait Integer: Copy + Zero + WrappingAdd + WrappingMul + Send + Sync {}

impl<T: Copy + Zero + WrappingAdd + WrappingMul + Send + Sync> Integer for T {}

/// Adds `left` `[m, k]` x `right` `[k, n]` to `into` `[m, n]`, all with rows one after the other.
pub(crate) fn add_product<T: Integer>(into: &mut [T], left: &[T], right: &[T], k: usize, n: usize) {
    if k == 0 || n == 0 {
        return;
    }
    for (row, factors) in into.chunks_exact_mut(n).zip(left.chunks_exact(k)) {
        for (factor, line) in factors.iter().zip(right.chunks_exact(n)) {
            if !factor.is_zero() {
                row.iter_mut()
                    .zip(line)
                    .for_each(|(sum, v)| *sum = sum.wrapping_add(&factor.wrapping_mul(v)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::add_product;

    #[test]
    fn products_are_added_and_wrap_around() {
        let mut into = [1i32, 0, 0, 0];
        add_product(&mut into, &[1, 2, 3, 4, 5, 6], &[1, 0, 0, 1, 1, 1], 3, 2);
        assert_eq!(into, [5, 5, 10, 11]);
        let mut into = [1u32];
        add_product(&mut into, &[u32::MAX], &[1], 1, 1);
        assert_eq!(into, [0]);
    }
}
