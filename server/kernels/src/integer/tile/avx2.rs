//! AVX2: bytes are widened to 16 bits, even and odd ones apart, and multiplied in pairs, which no value
//! overflows (as it would where pairs of bytes are multiplied at once).

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16,
    _mm256_storeu_si256,
};

use super::{Sums, Tile};
use crate::integer::{COLUMNS, DEPTH, right::STEP};

/// Vectors of a panel's step.
const HALVES: usize = 2;

#[target_feature(enable = "avx2")]
pub(super) fn run(tile: &Tile<'_>, sums: &mut Sums) {
    for panel in 0..tile.panels {
        let mut row = 0;
        while row < tile.rows {
            row += match tile.rows - row {
                1 => block::<1>(tile, panel, row, sums),
                2 => block::<2>(tile, panel, row, sums),
                _ => block::<3>(tile, panel, row, sums),
            };
        }
    }
}

/// Rows from `first` of one panel; gives their number.
#[target_feature(enable = "avx2")]
fn block<const ROWS: usize>(tile: &Tile<'_>, panel: usize, first: usize, sums: &mut Sums) -> usize {
    let mut all = [[_mm256_setzero_si256(); HALVES]; ROWS];
    for step in 0..tile.steps {
        let mut right = [(_mm256_setzero_si256(), _mm256_setzero_si256()); HALVES];
        for (half, right) in right.iter_mut().enumerate() {
            let place = (panel * tile.steps + step) * STEP + half * STEP / HALVES;
            // SAFETY: the tile's panels hold `steps` steps of 64 bytes each.
            let bytes = unsafe { _mm256_loadu_si256(tile.right.as_ptr().add(place).cast()) };
            let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes));
            *right = (even, _mm256_srai_epi16::<8>(bytes));
        }
        for (row, sums) in all.iter_mut().enumerate() {
            // SAFETY: the tile's rows hold at least `steps` steps of 4 bytes each.
            let bytes = unsafe {
                let place = tile.left.as_ptr().add((first + row) * tile.stride + step * DEPTH);
                _mm256_set1_epi32(place.cast::<i32>().read_unaligned())
            };
            let even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
            let odd = _mm256_srli_epi16::<8>(bytes);
            for (sum, &(right_even, right_odd)) in sums.iter_mut().zip(&right) {
                let pairs =
                    _mm256_add_epi32(_mm256_madd_epi16(even, right_even), _mm256_madd_epi16(odd, right_odd));
                *sum = _mm256_add_epi32(*sum, pairs);
            }
        }
    }
    for (row, to) in all.iter().zip(&mut sums[first..]) {
        let to = &mut to[panel * COLUMNS..(panel + 1) * COLUMNS];
        for (sum, to) in row.iter().zip(to.chunks_exact_mut(COLUMNS / HALVES)) {
            store(to, *sum);
        }
    }
    ROWS
}

#[target_feature(enable = "avx2")]
fn store(to: &mut [i32], sum: __m256i) {
    if let Some(to) = to.first_chunk_mut::<{ COLUMNS / HALVES }>() {
        // SAFETY: 8 elements are borrowed.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
    }
}
