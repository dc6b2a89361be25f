//! Matrix products, by the `gemm` crate: it packs and blocks as it sees fit and takes any strides.

use girandole_kernels::pool;

use super::{
    matrix::{Mat, MatMut},
    real::Real,
};
use crate::error::{OpError, Result};

/// What becomes of the elements that a product is written over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Into {
    /// They are replaced.
    Replace,
    /// The product is added to them.
    Add,
}

/// `into` = `scale` * `left` x `right`, or that added to it.
///
/// # Errors
/// `Invalid` where the sizes do not fit.
pub(crate) fn product<T: Real>(
    mut into: MatMut<'_, T>,
    how: Into,
    scale: T,
    left: Mat<'_, T>,
    right: Mat<'_, T>,
) -> Result<()> {
    let (a, b) = (left.layout(), right.layout());
    if a.cols != b.rows || a.rows != into.rows() || b.cols != into.cols() {
        return Err(OpError::invalid(format!(
            "cannot multiply {}x{} by {}x{}",
            a.rows, a.cols, b.rows, b.cols
        )));
    }
    if into.rows() == 0 || into.cols() == 0 {
        return Ok(());
    }
    if a.cols == 0 {
        if how == Into::Replace {
            (0..into.rows()).for_each(|row| into.row(row).fill(T::zero()));
        }
        return Ok(());
    }
    Product { into: into.start(), row_stride: into.row_stride(), how, scale, left, right }.run();
    Ok(())
}

/// Products of fewer multiplications are not worth a second thread.
const WORTHWHILE: usize = 1 << 18;

/// Pieces are whole multiples of this, so that each fills the registers' tiles.
const TILE: usize = 16;

/// A product whose sizes fit.
struct Product<'a, T> {
    into: *mut T,
    row_stride: usize,
    how: Into,
    scale: T,
    left: Mat<'a, T>,
    right: Mat<'a, T>,
}

// SAFETY: the operands are only read, and pieces of different rows or columns write different places.
unsafe impl<T: Real> Sync for Product<'_, T> {}

impl<T: Real> Product<'_, T> {
    /// Split over the pool's threads by the longer side.
    fn run(&self) {
        let (rows, cols, depth) =
            (self.left.layout().rows, self.right.layout().cols, self.left.layout().cols);
        let steps = rows.saturating_mul(cols).saturating_mul(depth);
        let threads = if steps < WORTHWHILE { 1 } else { pool::threads() };
        let long = rows.max(cols);
        let piece = long.div_ceil(threads).next_multiple_of(TILE);
        pool::run(long.div_ceil(piece.max(1)), &|i| {
            let (begin, len) = (i * piece, piece.min(long - i * piece));
            if rows >= cols {
                self.piece((begin, len), (0, cols))
            } else {
                self.piece((0, rows), (begin, len))
            }
        });
    }

    /// The part of the product of these rows and columns, each its first and their number.
    fn piece(&self, rows: (usize, usize), cols: (usize, usize)) {
        let (a, b) = (self.left.layout(), self.right.layout());
        let stride = |stride: usize| isize::try_from(stride).unwrap_or(isize::MAX);
        // SAFETY: `Mat` and `MatMut` hold pointers whose places [rows, cols] at their strides were found within
        // one slice when they were made (so the strides of axes longer than 1 fit an `isize`), and this piece
        // lies within them; what is written is borrowed mutably and so shares nothing with the operands, the
        // sizes were checked to fit, and `T` is f32 or f64, the types that `gemm` takes.
        unsafe {
            gemm::gemm(
                rows.1,
                cols.1,
                a.cols,
                self.into.add(rows.0 * self.row_stride + cols.0),
                1,
                stride(self.row_stride),
                self.how == Into::Add,
                self.left.start().add(rows.0 * a.row_stride),
                stride(a.col_stride),
                stride(a.row_stride),
                self.right.start().add(cols.0 * b.col_stride),
                stride(b.col_stride),
                stride(b.row_stride),
                T::one(),
                self.scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::Layout;
    use super::*;

    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 % 23) as f32 - 11.0) / 7.0).collect()
    }

    fn plain(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
        let at = |i: usize, j: usize| (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j])).sum();
        (0..m * n).map(|i| at(i / n, i % n)).collect()
    }

    fn close(came: &[f32], expected: &[f64]) {
        assert_eq!(came.len(), expected.len());
        for (came, expected) in came.iter().zip(expected) {
            assert!((f64::from(*came) - expected).abs() <= 1e-4 + 1e-4 * expected.abs());
        }
    }

    #[test]
    fn products_of_all_sizes_match_the_plain_sum() {
        let pool = pool::Pool::new(3).unwrap();
        for (m, k, n) in
            [(1, 1, 1), (1, 64, 256), (3, 5, 7), (65, 130, 67), (16, 0, 4), (0, 3, 4), (9, 99, 400)]
        {
            let (a, b) = (values(m * k), values(k * n));
            let mut out = vec![9f32; m * n];
            let into = MatMut::new(&mut out, m, n).unwrap();
            let (left, right) = (
                Mat::new(&a, 0, Layout::dense(m, k)).unwrap(),
                Mat::new(&b, 0, Layout::dense(k, n)).unwrap(),
            );
            product(into, Into::Replace, 1.0, left, right).unwrap();
            close(&out, &plain(&a, &b, (m, k, n)));
            out.fill(9.0);
            let into = MatMut::new(&mut out, m, n).unwrap();
            pool.enter(|| product(into, Into::Replace, 1.0, left, right)).unwrap();
            close(&out, &plain(&a, &b, (m, k, n)));
        }
    }

    #[test]
    fn a_transposed_operand_is_added_with_its_scale() {
        let (m, k, n) = (4, 6, 5);
        let (a, b) = (values(m * k), values(k * n));
        let turned: Vec<f32> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
        let mut out = vec![1f32; m * n];
        let right = Mat::new(&turned, 0, Layout::dense(n, k).transposed()).unwrap();
        let left = Mat::new(&a, 0, Layout::dense(m, k)).unwrap();
        product(MatMut::new(&mut out, m, n).unwrap(), Into::Add, 0.5, left, right).unwrap();
        let expected: Vec<f64> = plain(&a, &b, (m, k, n)).into_iter().map(|v| 1.0 + 0.5 * v).collect();
        close(&out, &expected);
    }

    #[test]
    fn a_matrix_beyond_its_slice_is_refused() {
        assert!(Mat::new(&[0f32; 5], 0, Layout::dense(2, 3)).is_err());
        assert!(Mat::new(&[0f32; 6], 1, Layout::dense(2, 3)).is_err());
        assert!(Mat::new(&[0f32; 6], 0, Layout { row_stride: usize::MAX, ..Layout::dense(2, 3) }).is_err());
        assert!(MatMut::new(&mut [0f32; 5], 2, 3).is_err());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let (a, mut out) = ([0f32; 6], [0f32; 4]);
        let left = Mat::new(&a, 0, Layout::dense(2, 3)).unwrap();
        let into = MatMut::new(&mut out, 2, 2).unwrap();
        assert!(product(into, Into::Replace, 1.0, left, left).is_err());
    }
}
