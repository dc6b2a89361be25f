//! Tensors of any number as products and sums want them: floats as [`super::real`] has them, integers as
//! `i64`, which wraps as they do, so that the low bits of a result are exact for every width.

use crate::{
    error::{OpError, Result},
    kernels::{
        gemm::{Into, product},
        matrix::{Layout, Mat, MatMut},
    },
    value::{ElemType, Element, Tensor, dispatch},
};

use super::real;

/// Runs `body` with `T` as the type to compute elements of `elem` in; `body` must be a `Result`.
macro_rules! ring {
    ($elem:expr, $T:ident => $body:expr) => {
        match $elem {
            $crate::value::ElemType::F64 => {
                type $T = f64;
                $body
            }
            elem if elem.is_float() => {
                type $T = f32;
                $body
            }
            elem if elem.is_int() => {
                type $T = i64;
                $body
            }
            other => {
                Err($crate::error::OpError::unsupported(format!("not supported for elements of {other}")))
            }
        }
    };
}

pub(super) use ring;

/// A number to compute sums of products in.
pub(super) trait Ring: Element + Copy {
    /// 0.
    const ZERO: Self;

    /// The sum, which wraps for integers.
    fn plus(self, other: Self) -> Self;

    /// The product of `left`, `[rows, depth]`, and `right`, `[depth, columns]`, in row-major order.
    ///
    /// # Errors
    /// `Invalid` where the sizes do not fit.
    fn matmul(left: &[Self], right: &[Self], sizes: MatmulSizes, out: &mut [Self]) -> Result<()>;

    /// A tensor's elements.
    ///
    /// # Errors
    /// `Unsupported` for a type that is no number.
    fn read(tensor: &Tensor) -> Result<Vec<Self>>;

    /// A tensor of type `elem`.
    ///
    /// # Errors
    /// `Unsupported` for a type that these numbers are not computed for.
    fn write(elem: ElemType, shape: &[usize], data: Vec<Self>) -> Result<Tensor>;
}

/// The sizes of a product.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatmulSizes {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) columns: usize,
}

macro_rules! real_ring {
    ($($type:ty),*) => {$(
        impl Ring for $type {
            const ZERO: Self = 0.0;

            fn plus(self, other: Self) -> Self {
                self + other
            }

            fn matmul(left: &[Self], right: &[Self], sizes: MatmulSizes, out: &mut [Self]) -> Result<()> {
                let MatmulSizes { rows, depth, columns } = sizes;
                product(
                    MatMut::new(out, rows, columns)?,
                    Into::Replace,
                    1.0,
                    Mat::new(left, 0, Layout::dense(rows, depth))?,
                    Mat::new(right, 0, Layout::dense(depth, columns))?,
                )
            }

            fn read(tensor: &Tensor) -> Result<Vec<Self>> {
                Ok(real::elements::<Self>(tensor)?.to_vec())
            }

            fn write(elem: ElemType, shape: &[usize], data: Vec<Self>) -> Result<Tensor> {
                real::tensor(elem, shape, data)
            }
        }
    )*};
}

real_ring!(f32, f64);

impl Ring for i64 {
    const ZERO: Self = 0;

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn matmul(left: &[Self], right: &[Self], sizes: MatmulSizes, out: &mut [Self]) -> Result<()> {
        let MatmulSizes { rows, depth, columns } = sizes;
        let fits = rows.checked_mul(depth) == Some(left.len())
            && depth.checked_mul(columns) == Some(right.len())
            && rows.checked_mul(columns) == Some(out.len());
        if !fits {
            return Err(OpError::invalid(format!("cannot multiply {rows}x{depth} by {depth}x{columns}")));
        }
        out.fill(0);
        if depth == 0 || columns == 0 {
            return Ok(());
        }
        for (out, left) in out.chunks_exact_mut(columns).zip(left.chunks_exact(depth)) {
            for (&factor, right) in left.iter().zip(right.chunks_exact(columns)) {
                let row = out.iter_mut().zip(right);
                row.for_each(|(sum, &value)| *sum = sum.wrapping_add(factor.wrapping_mul(value)));
            }
        }
        Ok(())
    }

    fn read(tensor: &Tensor) -> Result<Vec<Self>> {
        tensor.to_ints()
    }

    fn write(elem: ElemType, shape: &[usize], data: Vec<Self>) -> Result<Tensor> {
        dispatch!(elem, Int, T => Tensor::from_vec(shape, data.iter().map(|&v| v as T).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_low_bits() {
        let tensor = Tensor::from_vec(vec![2], vec![200u8, 100]).unwrap();
        let wide = i64::read(&tensor).unwrap();
        let mut out = [0];
        i64::matmul(&wide, &wide, MatmulSizes { rows: 1, depth: 2, columns: 1 }, &mut out).unwrap();
        let narrow = i64::write(ElemType::U8, &[1], out.to_vec()).unwrap();
        assert_eq!(
            narrow.to_vec::<u8>().unwrap(),
            [200u8.wrapping_mul(200).wrapping_add(100u8.wrapping_mul(100))]
        );
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let sizes = MatmulSizes { rows: 2, depth: 1, columns: 1 };
        assert!(i64::matmul(&[1], &[1], sizes, &mut [0, 0]).is_err());
        assert!(f32::matmul(&[1.0], &[1.0], sizes, &mut [0.0, 0.0]).is_err());
    }
}
