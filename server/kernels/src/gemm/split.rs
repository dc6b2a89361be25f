//! How a product is shared among threads.

use std::ops::Range;

use super::packed::Packed;

/// Multiplications and additions below which a product stays on its thread.
const SMALL: usize = 200_000;

/// Multiplications and additions of a task, so that a late thread costs little.
const TASK: usize = 4_000_000;

/// A grid of tasks, each some rows of some panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    rows: usize,
    panels: usize,
    /// Rows and panels of a task.
    row_step: usize,
    panel_step: usize,
}

impl Split {
    /// By panels where there are enough of them, so that each thread reads only its own weights; else by
    /// rows as well.
    pub(super) fn new(rows: usize, weights: &Packed, threads: usize) -> Self {
        /// A multiple of which tasks take rows.
        const ROWS: usize = 24;
        let panels = weights.panels();
        let work = rows.saturating_mul(weights.k()).saturating_mul(weights.n()).saturating_mul(2);
        if threads <= 1 || work < SMALL {
            return Self { rows, panels, row_step: rows.max(1), panel_step: panels.max(1) };
        }
        let wanted = (work / TASK).clamp(threads, 8 * threads);
        if panels >= wanted {
            return Self { rows, panels, row_step: rows.max(1), panel_step: panels.div_ceil(wanted) };
        }
        let chunks = wanted.div_ceil(panels.max(1)).clamp(1, rows.div_ceil(ROWS).max(1));
        let row_step = rows.div_ceil(chunks).next_multiple_of(ROWS);
        Self { rows, panels, row_step, panel_step: 1 }
    }

    pub(super) fn tasks(&self) -> usize {
        self.rows.div_ceil(self.row_step) * self.panels.div_ceil(self.panel_step)
    }

    /// The rows and panels of a task; tasks of the same panels follow each other.
    pub(super) fn task(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let chunks = self.rows.div_ceil(self.row_step).max(1);
        let part = |i: usize, step: usize, end: usize| i * step..end.min((i + 1) * step);
        (part(task % chunks, self.row_step, self.rows), part(task / chunks, self.panel_step, self.panels))
    }
}
