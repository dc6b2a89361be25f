//! Plain Rust.

use super::{Sums, Tile};
use crate::integer::{COLUMNS, DEPTH, right::STEP};

pub(super) fn run(tile: &Tile<'_>, sums: &mut Sums) {
    for (row, sums) in sums.iter_mut().enumerate().take(tile.rows) {
        let left = &tile.left[row * tile.stride..];
        let panels = tile.right.chunks_exact((tile.steps * STEP).max(1)).take(tile.panels);
        sums[..tile.panels * COLUMNS].fill(0);
        for (panel, sums) in panels.zip(sums.chunks_exact_mut(COLUMNS)) {
            for (step, left) in panel.chunks_exact(STEP).zip(left.chunks_exact(DEPTH)) {
                for (sum, right) in sums.iter_mut().zip(step.chunks_exact(DEPTH)) {
                    let products = left.iter().zip(right).map(|(&a, &b)| i32::from(a) * i32::from(b));
                    *sum = sum.wrapping_add(products.sum());
                }
            }
        }
    }
}
