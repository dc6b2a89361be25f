//! The transforms of Winograd's minimal filtering, for 3 x 3 filters and tiles of `T - 2` by `T - 2` outputs,
//! at the points 0, 1, -1 (and 2, -2) and infinity: Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", <https://arxiv.org/abs/1509.09308>.

use crate::simd::Simd;

/// The filter's transform, for one line of three weights.
pub(super) fn filter<const T: usize>(weights: [f64; 3]) -> [f64; T] {
    let [a, b, c] = weights;
    let mut made = [0.0; T];
    if T == 6 {
        let (even, odd) = (-(a + c) / 6.0, b / 6.0);
        let (far_even, far_odd) = (a / 24.0 + c / 6.0, b / 12.0);
        let all = [a / 4.0, even - odd, even + odd, far_even + far_odd, far_even - far_odd, c];
        made.copy_from_slice(&all[..T]);
    } else {
        let all = [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
        made.copy_from_slice(&all[..T]);
    }
    made
}

/// The input's transform, for one line of a tile.
#[inline(always)]
pub(super) fn input<S: Simd, const T: usize>(s: S, d: [S::V; T]) -> [S::V; T] {
    let mut made = d;
    if T == 6 {
        let (two, four, five) = (s.splat(2.0), s.splat(4.0), s.splat(5.0));
        let (near_even, near_odd) = (s.fnma(four, d[2], d[4]), s.fnma(four, d[1], d[3]));
        let (far_even, far_odd) = (s.sub(d[4], d[2]), s.mul(two, s.sub(d[3], d[1])));
        made[0] = s.fma(four, d[0], s.fnma(five, d[2], d[4]));
        made[1] = s.add(near_even, near_odd);
        made[2] = s.sub(near_even, near_odd);
        made[3] = s.add(far_even, far_odd);
        made[4] = s.sub(far_even, far_odd);
        made[5] = s.fma(four, d[1], s.fnma(five, d[3], d[5]));
    } else {
        made[0] = s.sub(d[0], d[2]);
        made[1] = s.add(d[1], d[2]);
        made[2] = s.sub(d[2], d[1]);
        made[3] = s.sub(d[1], d[3]);
    }
    made
}

/// The output's transform, for one line of a tile: the first `T - 2` are the outputs.
#[inline(always)]
pub(super) fn output<S: Simd, const T: usize>(s: S, m: [S::V; T]) -> [S::V; T] {
    let mut made = m;
    if T == 6 {
        let (near_even, near_odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (far_even, far_odd) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        made[0] = s.add(m[0], s.add(near_even, far_even));
        made[1] = s.fma(s.splat(2.0), far_odd, near_odd);
        made[2] = s.fma(s.splat(4.0), far_even, near_even);
        made[3] = s.add(m[5], s.fma(s.splat(8.0), far_odd, near_odd));
    } else {
        made[0] = s.add(m[0], s.add(m[1], m[2]));
        made[1] = s.sub(s.sub(m[1], m[2]), m[3]);
    }
    made
}
