//! The floating-point types that classical models compute in, and feature matrices of any number type as one
//! of them, without a copy where the type fits.

use std::ops::Deref;

use crate::{
    error::{OpError, Result},
    value::{ElemType, Element, Tensor, View},
};

/// `f32` or `f64`.
pub(super) trait Real: Element + Copy + PartialOrd + std::ops::AddAssign {
    /// Nought.
    const ZERO: Self;
    /// Rounded from `f64`.
    fn of(value: f64) -> Self;
    /// Rounded from `i64`.
    fn of_int(value: i64) -> Self;
    /// As `f64`, exactly.
    fn wide(self) -> f64;
    /// Whether it is missing.
    fn is_nan(self) -> bool;
    /// The numbers as `f32`, where that is what they are.
    fn narrow(all: &[Self]) -> Option<&[f32]>;
}

macro_rules! real {
    ($($type:ty: $narrow:expr),*) => {$(
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_lossless)]
        impl Real for $type {
            const ZERO: Self = 0.0;

            fn of(value: f64) -> Self {
                value as Self
            }

            fn of_int(value: i64) -> Self {
                value as Self
            }

            fn wide(self) -> f64 {
                self as f64
            }

            fn is_nan(self) -> bool {
                self.is_nan()
            }

            fn narrow(all: &[Self]) -> Option<&[f32]> {
                $narrow(all)
            }
        }
    )*};
}

real!(f32: Some, f64: |_| None);

/// A tensor's numbers as `T`.
pub(super) enum Reals<'a, T> {
    View(View<'a, T>),
    Owned(Vec<T>),
}

impl<T: Clone> Deref for Reals<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::View(view) => view,
            Self::Owned(all) => all,
        }
    }
}

impl<'a, T: Real> Reals<'a, T> {
    /// The numbers of `tensor`.
    ///
    /// # Errors
    /// `Invalid` for elements that are no numbers.
    pub(super) fn of(tensor: &'a Tensor) -> Result<Self> {
        if tensor.elem() == T::ELEM {
            return tensor.view::<T>().map(Self::View);
        }
        let all = match tensor.elem() {
            ElemType::F32 => tensor.view::<f32>()?.iter().map(|&v| T::of(f64::from(v))).collect(),
            ElemType::F64 => tensor.view::<f64>()?.iter().map(|&v| T::of(v)).collect(),
            ElemType::F16 => tensor.view::<half::f16>()?.iter().map(|v| T::of(v.to_f64())).collect(),
            elem if elem.is_int() => tensor.to_ints()?.into_iter().map(T::of_int).collect(),
            other => return Err(OpError::invalid(format!("expected numbers, got {other}"))),
        };
        Ok(Self::Owned(all))
    }
}

/// Rows and columns of a feature matrix; a tensor of rank 1 is one row.
///
/// # Errors
/// `Invalid` for another rank.
pub(super) fn matrix(tensor: &Tensor) -> Result<(usize, usize)> {
    match tensor.shape()[..] {
        [columns] => Ok((1, columns)),
        [rows, columns] => Ok((rows, columns)),
        _ => Err(OpError::invalid(format!("expected [rows, features], got shape {}", tensor.shape()))),
    }
}
