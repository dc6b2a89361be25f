//! Loops over elements, split over the threads of the current pool where they are long.

use girandole_kernels::pool;

use crate::{
    error::Result,
    value::{Element, Tensor, checked_len},
};

/// The least elements that are worth another thread's while.
pub(crate) const GRAIN: usize = 32 * 1024;

/// Calls `body` on pieces of `out` with the place of each one's first element. Pieces are whole multiples
/// of `unit` elements.
pub(crate) fn fill<T: Send>(out: &mut [T], unit: usize, body: &(dyn Fn(usize, &mut [T]) + Sync)) {
    fill_costly(out, unit, 1, body);
}

/// As [`fill`], where each element of `out` costs as much as `cost` simple ones.
pub(crate) fn fill_costly<T: Send>(
    out: &mut [T],
    unit: usize,
    cost: usize,
    body: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let cost = cost.max(1);
    let unit = unit.max(1);
    let threads = pool::threads();
    if out.len() <= unit || out.len().saturating_mul(cost) <= 2 * GRAIN || threads == 1 {
        body(0, out);
        return;
    }
    let piece = (out.len() / (4 * threads)).max(GRAIN / cost).max(1).div_ceil(unit) * unit;
    pool::chunks(out, piece, |i, chunk| body(i * piece, chunk));
}

/// A new vector for an output of `shape`.
///
/// # Errors
/// `TooLarge` where the shape is.
pub(crate) fn allocate<T: Element>(shape: &[usize]) -> Result<Vec<T>> {
    Ok(vec![T::default(); checked_len::<T>(shape)?])
}

/// `f` of each element.
///
/// # Errors
/// `Invalid` where the tensor does not hold `A`.
pub(crate) fn map<A: Element, B: Element>(input: &Tensor, f: impl Fn(&A) -> B + Sync) -> Result<Tensor> {
    let elements = input.view::<A>()?;
    let elements: &[A] = &elements;
    let mut out = allocate::<B>(input.shape())?;
    fill(&mut out, 1, &|start, chunk| {
        for (to, from) in chunk.iter_mut().zip(&elements[start..]) {
            *to = f(from);
        }
    });
    Tensor::from_vec(input.shape().clone(), out)
}
