//! AVX-512 VNNI: 4 products of bytes are added to each of 16 sums by one instruction.

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512,
};

use super::{Sums, Tile};
use crate::integer::{COLUMNS, DEPTH, right::STEP};

#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn run(tile: &Tile<'_>, sums: &mut Sums) {
    match tile.panels {
        1 => rows::<1>(tile, sums),
        2 => rows::<2>(tile, sums),
        3 => rows::<3>(tile, sums),
        _ => rows::<4>(tile, sums),
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn rows<const PANELS: usize>(tile: &Tile<'_>, sums: &mut Sums) {
    match tile.rows {
        1 => block::<1, PANELS>(tile, sums),
        2 => block::<2, PANELS>(tile, sums),
        3 => block::<3, PANELS>(tile, sums),
        4 => block::<4, PANELS>(tile, sums),
        5 => block::<5, PANELS>(tile, sums),
        _ => block::<6, PANELS>(tile, sums),
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn block<const ROWS: usize, const PANELS: usize>(tile: &Tile<'_>, sums: &mut Sums) {
    let mut all = [[_mm512_setzero_si512(); PANELS]; ROWS];
    let panel = tile.steps * STEP;
    for step in 0..tile.steps {
        let mut right = [_mm512_setzero_si512(); PANELS];
        for (p, right) in right.iter_mut().enumerate() {
            // SAFETY: the tile's panels hold `steps` steps of 64 bytes each.
            *right = unsafe { _mm512_loadu_si512(tile.right.as_ptr().add(p * panel + step * STEP).cast()) };
        }
        for (row, sums) in all.iter_mut().enumerate() {
            // SAFETY: the tile's rows hold at least `steps` steps of 4 bytes each.
            let left = unsafe {
                let place = tile.left.as_ptr().add(row * tile.stride + step * DEPTH);
                _mm512_set1_epi32(place.cast::<i32>().read_unaligned())
            };
            for (sum, &right) in sums.iter_mut().zip(&right) {
                *sum = _mm512_dpbusd_epi32(*sum, left, right);
            }
        }
    }
    for (row, to) in all.iter().zip(sums) {
        for (sum, to) in row.iter().zip(to.chunks_exact_mut(COLUMNS)) {
            store(to, *sum);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn store(to: &mut [i32], sum: __m512i) {
    if let Some(to) = to.first_chunk_mut::<COLUMNS>() {
        // SAFETY: 16 elements are borrowed.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), sum) };
    }
}
