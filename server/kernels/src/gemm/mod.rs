//! f32 matrix products with weights that are packed once, and what follows them (bias, residual,
//! activation) done before the result leaves the registers.
//!
//! The left side is not packed: the kernel reads it through one pointer per row, so that a matrix, strided
//! rows and an implicit convolution ([`Rows::gathered`] with a [`Gather`] of one piece per tap, made once
//! per size of images) are the same product. Layout, tiles and blocks follow Goto and van de Geijn,
//! "Anatomy of High-Performance Matrix Multiplication" (2008), with the left side's packing left out, since
//! rows of networks are read whole and few at a time.
//!
//! ```
//! use girandole_kernels::{gemm::{self, Epilogue, Packed, Rows, Weights}, isa::Isa, math::Function};
//! # fn main() -> Result<(), girandole_kernels::Misfit> {
//! let weights = Packed::new(Isa::current(), &Weights::rows(&[1.0, 2.0, 3.0, -4.0], 2, 2))?;
//! let epilogue = Epilogue { activation: Some(Function::RELU), ..Epilogue::default() };
//! let out = gemm::product(&Rows::dense(&[1.0, 1.0], 1, 2)?, &weights, &epilogue)?;
//! assert_eq!(out, [4.0, 0.0]);
//! # Ok(())
//! # }
//! ```

mod epilogue;
mod narrow;
mod packed;
mod rows;
mod split;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
pub(crate) mod tile;

use std::mem::MaybeUninit;

pub use epilogue::Epilogue;
pub use packed::{Packed, Weights};
pub use rows::{Gather, Rows};

use crate::{
    Misfit,
    buffer::{self, Shared},
    pool,
    simd::dispatch,
};

use epilogue::Finish;
use narrow::Narrow;
use split::Split;
use sweep::Sweep;

/// `rows x weights`, finished by the epilogue, `[rows, n]`, on the pool's threads.
///
/// # Errors
/// Where an operand's length does not fit.
pub fn product(rows: &Rows<'_>, weights: &Packed, epilogue: &Epilogue<'_>) -> Result<Vec<f32>, Misfit> {
    let len = rows.count().checked_mul(weights.n()).ok_or(Misfit("the result"))?;
    check(rows, weights, epilogue, len, weights.n())?;
    // SAFETY: a checked product writes each of its elements.
    Ok(unsafe { buffer::filled(len, |out| multiply(rows, weights, epilogue, out, weights.n())) })
}

/// As [`product`], into rows of `out` that begin `stride` elements after each other; elements between
/// them are not touched, and every element of the rows is written.
///
/// # Errors
/// Where an operand's length does not fit.
pub fn product_into(
    rows: &Rows<'_>,
    weights: &Packed,
    epilogue: &Epilogue<'_>,
    out: &mut [MaybeUninit<f32>],
    stride: usize,
) -> Result<(), Misfit> {
    check(rows, weights, epilogue, out.len(), stride)?;
    multiply(rows, weights, epilogue, out, stride);
    Ok(())
}

/// Whether all operands have the lengths that the sizes ask for.
fn check(
    rows: &Rows<'_>,
    weights: &Packed,
    epilogue: &Epilogue<'_>,
    len: usize,
    stride: usize,
) -> Result<(), Misfit> {
    let (pieces, depth) = rows.pieces();
    if pieces.checked_mul(depth) != Some(weights.k()) {
        return Err(Misfit("the left side's rows"));
    }
    if epilogue.bias.is_some_and(|bias| bias.len() != weights.n()) {
        return Err(Misfit("the bias"));
    }
    if stride < weights.n() {
        return Err(Misfit("the result's rows"));
    }
    let last = rows.count().saturating_sub(1).checked_mul(stride);
    let end = last.and_then(|last| last.checked_add(weights.n())).ok_or(Misfit("the result"))?;
    if rows.count() > 0 && end > len {
        return Err(Misfit("the result"));
    }
    if rows.count() > 0 && epilogue.residual.is_some_and(|residual| residual.len() < end) {
        return Err(Misfit("the residual"));
    }
    Ok(())
}

/// A checked product.
fn multiply(
    rows: &Rows<'_>,
    weights: &Packed,
    epilogue: &Epilogue<'_>,
    out: &mut [MaybeUninit<f32>],
    stride: usize,
) {
    let split = Split::new(rows.count(), weights, pool::threads());
    let base = Shared(out.as_mut_ptr().cast::<f32>());
    pool::run(split.tasks(), &|task| {
        let (range, panels) = split.task(task);
        let (out, finish) = (base.at(0), Finish::new(epilogue));
        let sweep = Sweep { rows: *rows, weights, finish, out, stride, range, panels };
        if weights.is_narrow() {
            dispatch(weights.isa(), Narrow(sweep));
        } else {
            dispatch(weights.isa(), sweep);
        }
    });
}
