//! Operands of integer products: bytes of either sign, their zero points and scales.

use std::sync::Arc;

use girandole_kernels::integer::{Left, Right, Zeros};

use crate::{
    error::{OpError, Result},
    value::{ElemType, Tensor, View},
};

/// The elements of a tensor of `u8` or `i8`.
pub(crate) enum Bytes<'a> {
    U8(View<'a, u8>),
    I8(View<'a, i8>),
}

impl<'a> Bytes<'a> {
    /// # Errors
    /// `Unsupported` for elements that are no bytes.
    pub(crate) fn of(tensor: &'a Tensor) -> Result<Self> {
        match tensor.elem() {
            ElemType::U8 => tensor.view().map(Self::U8),
            ElemType::I8 => tensor.view().map(Self::I8),
            other => Err(OpError::unsupported(format!(
                "not supported for elements of {other}: expected UINT8 or INT8"
            ))),
        }
    }

    /// The elements' bytes, whatever their sign.
    pub(super) fn raw(&self) -> &[u8] {
        match self {
            Self::U8(all) => all,
            Self::I8(all) => bytemuck::cast_slice(all),
        }
    }

    /// `raw` bytes of this sign as a left operand.
    ///
    /// # Errors
    /// `Invalid` where the sizes do not fit.
    pub(super) fn left<'b>(&self, raw: &'b [u8], rows: usize, depth: usize) -> Result<Left<'b>> {
        let left = match self {
            Self::U8(_) => Left::of_u8(raw, rows, depth),
            Self::I8(_) => Left::of_i8(bytemuck::cast_slice(raw), rows, depth),
        };
        left.ok_or_else(misfit)
    }

    /// `raw` bytes `[depth, columns]` of this sign, packed.
    ///
    /// # Errors
    /// `Invalid` where the sizes do not fit.
    pub(super) fn right(&self, raw: &[u8], depth: usize, columns: usize) -> Result<Right> {
        let right = match self {
            Self::U8(_) => Right::of_u8(raw, depth, columns),
            Self::I8(_) => Right::of_i8(bytemuck::cast_slice(raw), depth, columns),
        };
        right.ok_or_else(misfit)
    }

    /// `raw` bytes `[columns, depth]` of this sign, packed.
    ///
    /// # Errors
    /// `Invalid` where the sizes do not fit.
    pub(super) fn turned_right(&self, raw: &[u8], depth: usize, columns: usize) -> Result<Right> {
        let right = match self {
            Self::U8(_) => Right::of_turned_u8(raw, depth, columns),
            Self::I8(_) => Right::of_turned_i8(bytemuck::cast_slice(raw), depth, columns),
        };
        right.ok_or_else(misfit)
    }
}

/// A right operand: packed when the model was loaded, or still to be.
pub(crate) enum Weights<'a> {
    Packed(&'a Arc<Right>),
    Tensor(&'a Tensor),
}

/// Sizes that do not fit together.
pub(super) fn misfit() -> OpError {
    OpError::invalid("the operands of a product of integers do not fit")
}

/// Zero points: empty where there are none.
///
/// # Errors
/// `Invalid` for elements that are no integers.
pub(super) fn zeros(tensor: Option<&Tensor>) -> Result<Vec<i32>> {
    let ints = tensor.map(Tensor::to_ints).transpose()?.unwrap_or_default();
    // Zero points are bytes.
    Ok(ints.into_iter().map(|zero| zero as i32).collect())
}

/// The zero points of `len` rows or columns.
///
/// # Errors
/// `Invalid` where there are neither one nor `len`.
pub(super) fn spread(zeros: &[i32], len: usize) -> Result<Zeros<'_>> {
    match zeros {
        [] => Ok(Zeros::One(0)),
        [zero] => Ok(Zeros::One(*zero)),
        all if all.len() == len => Ok(Zeros::Each(all)),
        all => Err(OpError::invalid(format!("{} zero points do not fit {len} rows or columns", all.len()))),
    }
}

/// Scales as f32.
///
/// # Errors
/// `Invalid` for elements that are no floats.
pub(super) fn scales(tensor: &Tensor) -> Result<Vec<f32>> {
    match tensor.elem() {
        ElemType::F32 => tensor.to_vec(),
        ElemType::F16 => Ok(tensor.view::<half::f16>()?.iter().map(|v| v.to_f32()).collect()),
        ElemType::BF16 => Ok(tensor.view::<half::bf16>()?.iter().map(|v| v.to_f32()).collect()),
        other => Err(OpError::invalid(format!("expected scales of floats, got {other}"))),
    }
}

/// One scale for each of `len` rows or columns.
///
/// # Errors
/// `Invalid` where there are neither one nor `len`.
pub(super) fn each(scales: &[f32], len: usize) -> Result<Vec<f32>> {
    match scales {
        [scale] => Ok(vec![*scale; len]),
        all if all.len() == len => Ok(all.to_vec()),
        all => Err(OpError::invalid(format!("{} scales do not fit {len} rows or columns", all.len()))),
    }
}
