//! The kernel: a tile of the result held in registers, over a block of the depth.

use crate::simd::Simd;

/// A tile: `ROWS` rows of `VECTORS` vectors.
pub(crate) type Tile<S, const VECTORS: usize, const ROWS: usize> = [[<S as Simd>::V; VECTORS]; ROWS];

/// The cache lines that each step asks for ahead of time.
pub(crate) const AHEAD: usize = 2 * 16;

/// `tile += rows x panel` over `depth` elements of each row; each step asks for [`AHEAD`] elements from
/// `ahead` on, the weights that come next, which need not exist.
///
/// # Safety
/// `depth` elements of each row and `depth` rows of the panel are readable.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const VECTORS: usize, const ROWS: usize>(
    s: S,
    tile: &mut Tile<S, VECTORS, ROWS>,
    rows: [*const f32; ROWS],
    panel: *const f32,
    depth: usize,
    ahead: *const f32,
) {
    if const { ROWS == 1 } {
        // SAFETY: the caller's.
        unsafe { accumulate_row::<S, VECTORS>(s, &mut tile[0], rows[0], panel, depth) };
        return;
    }
    let mut sum = *tile;
    let mut at = panel;
    for p in 0..depth {
        s.prefetch(ahead.wrapping_add(p * AHEAD));
        s.prefetch(ahead.wrapping_add(p * AHEAD + AHEAD / 2));
        // SAFETY: `p` is below `depth`, up to which the caller promises rows and panel to be readable.
        unsafe {
            let mut weights = [s.splat(0.0); VECTORS];
            for (j, weights) in weights.iter_mut().enumerate() {
                *weights = s.load(at.add(j * S::LANES));
            }
            for (sum, row) in sum.iter_mut().zip(rows) {
                let element = s.splat(*row.add(p));
                for (sum, &weights) in sum.iter_mut().zip(&weights) {
                    *sum = s.fma(element, weights, *sum);
                }
            }
        }
        at = at.wrapping_add(VECTORS * S::LANES);
    }
    *tile = sum;
}

/// The same for a single row, which would wait for each sum: four partial sums instead.
///
/// # Safety
/// As [`accumulate`].
#[inline(always)]
unsafe fn accumulate_row<S: Simd, const VECTORS: usize>(
    s: S,
    tile: &mut [S::V; VECTORS],
    row: *const f32,
    panel: *const f32,
    depth: usize,
) {
    let width = VECTORS * S::LANES;
    let mut sums = [*tile, [s.splat(0.0); VECTORS], [s.splat(0.0); VECTORS], [s.splat(0.0); VECTORS]];
    let quads = depth - depth % sums.len();
    // SAFETY: all steps are below `depth`, up to which the caller promises row and panel to be readable.
    unsafe {
        for p in (0..quads).step_by(sums.len()) {
            for (u, sum) in sums.iter_mut().enumerate() {
                add_step(s, sum, row.add(p + u), panel.add((p + u) * width));
            }
        }
        for p in quads..depth {
            add_step(s, &mut sums[0], row.add(p), panel.add(p * width));
        }
    }
    let [a, b, c, d] = sums;
    for (j, sum) in tile.iter_mut().enumerate() {
        *sum = s.add(s.add(a[j], b[j]), s.add(c[j], d[j]));
    }
}

/// # Safety
/// The element and a row of the panel are readable.
#[inline(always)]
unsafe fn add_step<S: Simd, const VECTORS: usize>(
    s: S,
    sum: &mut [S::V; VECTORS],
    element: *const f32,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    let element = s.splat(unsafe { *element });
    for (j, sum) in sum.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *sum = s.fma(element, unsafe { s.load(weights.add(j * S::LANES)) }, *sum);
    }
}
