//! The inner loop of every convolution that mixes channels: a block of outputs by a panel of columns is
//! summed in registers. Rows of the left matrix are not copied: there is a pointer for each row and tap.

use super::finish::{Early, Finish};
use crate::{isa::Isa, simd::Simd};

/// The left matrix of a block: for each tap a pointer for each row.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// The pointers of the block's first row and first tap.
    pub(crate) pointers: *const *const f32,
    /// Pointers from one tap to the next.
    pub(crate) step: usize,
    pub(crate) taps: usize,
    /// What is skipped at each pointer.
    pub(crate) skip: usize,
    /// What is read at each pointer.
    pub(crate) depth: usize,
}

/// Where a block's sums go.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) to: *mut f32,
    /// What is added first: null for nothing, else laid out as `to`.
    pub(crate) residual: *const f32,
    /// Floats from one row to the next.
    pub(crate) step: usize,
    /// Columns that are there, of those that the panel has.
    pub(crate) columns: usize,
}

/// Sums of `MR` rows by `NV` vectors of columns.
pub(crate) type Sums<V, const MR: usize, const NV: usize> = [[V; NV]; MR];

/// Begins the sums with the bias, the same for every row.
///
/// # Safety
/// `bias` has `NV` vectors.
#[inline(always)]
pub(crate) unsafe fn begin<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    bias: *const f32,
) -> Sums<S::V, MR, NV> {
    let mut row = [s.splat(0.0); NV];
    for (j, sum) in row.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *sum = unsafe { s.load(bias.add(j * S::LANES)) };
    }
    [row; MR]
}

/// Takes up sums that [`put`] left.
///
/// # Safety
/// `place` has `MR` rows that were written.
#[inline(always)]
pub(crate) unsafe fn resume<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    place: Place,
) -> Sums<S::V, MR, NV> {
    let mut sums = [[s.splat(0.0); NV]; MR];
    for (i, row) in sums.iter_mut().enumerate() {
        for (j, sum) in row.iter_mut().enumerate() {
            let at = j * S::LANES;
            if at < place.columns {
                // SAFETY: the caller's; no more than the columns that are there.
                *sum = unsafe { s.load_part(place.to.add(i * place.step + at), place.columns - at) };
            }
        }
    }
    sums
}

/// Adds the product of the rows and a panel. `next` is asked for meanwhile, two lines for each step.
///
/// # Safety
/// `rows` has `MR` pointers for each tap, each with `skip + depth` floats; `panel` has `taps * depth` rows.
#[inline(always)]
pub(crate) unsafe fn add<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    rows: Rows,
    panel: *const f32,
    next: *const f32,
    sums: &mut Sums<S::V, MR, NV>,
) {
    let mut made = *sums;
    let (mut panel, mut next) = (panel, next);
    for tap in 0..rows.taps {
        let mut from = [std::ptr::null(); MR];
        for (i, from) in from.iter_mut().enumerate() {
            // SAFETY: the caller's.
            *from = unsafe { (*rows.pointers.add(tap * rows.step + i)).add(rows.skip) };
        }
        for k in 0..rows.depth {
            s.prefetch(next);
            s.prefetch(next.wrapping_add(16));
            next = next.wrapping_add(32);
            let mut columns = [s.splat(0.0); NV];
            for (j, column) in columns.iter_mut().enumerate() {
                // SAFETY: the caller's.
                *column = unsafe { s.load(panel.add(j * S::LANES)) };
            }
            for i in 0..MR {
                // SAFETY: the caller's.
                let x = s.splat(unsafe { *from[i].add(k) });
                for j in 0..NV {
                    made[i][j] = s.fma(x, columns[j], made[i][j]);
                }
            }
            panel = panel.wrapping_add(NV * S::LANES);
        }
    }
    *sums = made;
}

/// Stores sums that are not whole yet.
///
/// # Safety
/// `place` has `MR` rows.
#[inline(always)]
pub(crate) unsafe fn put<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    sums: &Sums<S::V, MR, NV>,
    place: Place,
) {
    for (i, row) in sums.iter().enumerate() {
        for (j, &sum) in row.iter().enumerate() {
            let at = j * S::LANES;
            if at < place.columns {
                // SAFETY: the caller's; no more than the columns that are there.
                unsafe { s.store_part(place.to.add(i * place.step + at), place.columns - at, sum) }
            }
        }
    }
}

/// Stores whole sums: with the residual, and with what is done in registers.
///
/// # Safety
/// `place` has `MR` rows, and so has its residual where it has one.
#[inline(always)]
pub(crate) unsafe fn put_whole<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    sums: &Sums<S::V, MR, NV>,
    place: Place,
    early: Early,
) {
    // Step by step over the whole block: so the compiler keeps it in registers.
    let mut sums = *sums;
    if !place.residual.is_null() {
        for (i, row) in sums.iter_mut().enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                let at = j * S::LANES;
                if at < place.columns {
                    let from = place.residual.wrapping_add(i * place.step + at);
                    // SAFETY: the caller's; no more than the columns that are there.
                    *sum = s.add(*sum, unsafe { s.load_part(from, place.columns - at) });
                }
            }
        }
    }
    early.apply(s, sums.as_flattened_mut());
    // SAFETY: the caller's.
    unsafe { put(s, &sums, place) }
}

/// Stores whole sums, with all that happens to them.
///
/// # Safety
/// As [`put_whole`].
#[inline(always)]
pub(crate) unsafe fn finish<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    sums: &Sums<S::V, MR, NV>,
    place: Place,
    (isa, finish): (Isa, Finish),
) {
    let (early, more) = finish.in_registers();
    // SAFETY: the caller's; what is looked at again was just stored.
    unsafe {
        put_whole(s, sums, place, early);
        if more {
            finish.rows(isa, place.to, (MR, place.step), place.columns);
        }
    }
}
