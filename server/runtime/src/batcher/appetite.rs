//! How many rows are worth running together, as far as executions tell.
//!
//! A free session that takes all that waits makes one long batch of it, and who comes in the next moment waits for the
//! whole of that. Where a row costs the same in small batches, as it does on a processor with large models, nothing is
//! gained by the long one and the slowest answers take twice as long. So sizes are compared by the time of a row, and a
//! batch is no larger than pays. Sizes are told apart by powers of two.
//!
//! Invariant: only what was seen often enough takes anything away, and the next larger size is tried again now and then,
//! so that one which was slow once is not given up for ever; not the largest, for which everybody would wait.

use std::time::Duration;

use super::average::Average;

/// Powers of two that are told apart.
const SIZES: usize = 16;
/// Executions from which on the time of a size is believed.
const ENOUGH: u32 = 4;
/// What a row may take more in a smaller batch.
const TOLERANCE: f64 = 1.05;
/// Batches that are shorter keep nobody waiting for long.
const LONG: Duration = Duration::from_millis(4);
/// Every so many batches may be of the next larger size.
const LARGER_EVERY: u64 = 64;

/// What executions of each size took.
#[derive(Debug, Default)]
pub(crate) struct Appetite([Size; SIZES]);

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Seconds of a row.
    row: Average,
    /// Seconds of a batch.
    batch: Average,
}

impl Appetite {
    /// Learns from an execution.
    pub(crate) fn observe(&mut self, took: Duration, rows: usize) {
        let Some(size) = self.0.get_mut(power(rows)) else { return };
        let batch = took.as_secs_f64();
        size.row.observe(batch / rows.max(1) as f64);
        size.batch.observe(batch);
    }

    /// The most rows that the next batch is to have, of `max` at most; `turn` counts batches.
    pub(crate) fn most(&self, max: usize, turn: u64) -> usize {
        let Some(largest) = self.0.iter().rposition(Size::is_known) else { return max };
        let (below, _) = self.0.split_at(largest);
        let smallest = below.iter().rposition(|size| !size.is_known()).map_or(0, |unknown| unknown + 1);
        // Those up to the largest that are known without a gap.
        let known = self.0.get(smallest..=largest).unwrap_or_default();
        if known.last().is_none_or(Size::is_short) {
            return max;
        }
        let best = known.iter().map(|size| size.row.value()).fold(f64::INFINITY, f64::min);
        let pays = |size: &Size| size.row.value() <= best * TOLERANCE;
        let paying = smallest + known.iter().position(pays).unwrap_or_default();
        match () {
            () if paying < largest && turn.is_multiple_of(LARGER_EVERY) => end(paying + 1).min(max),
            // Batches that are smaller than they could be, to learn what that costs.
            () if paying == smallest && smallest > 0 => end(smallest - 1).min(max),
            // The largest that was seen says nothing about larger ones.
            () if paying == largest => max,
            () => end(paying).min(max),
        }
    }
}

impl Size {
    fn is_known(&self) -> bool {
        self.batch.seen() >= ENOUGH
    }

    fn is_short(&self) -> bool {
        self.batch.value() < LONG.as_secs_f64()
    }
}

fn power(rows: usize) -> usize {
    rows.max(1).ilog2() as usize
}

/// The most rows of a size.
fn end(power: usize) -> usize {
    (2 << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: f64 = 1e-3;

    /// The sizes of batches, while so many rows wait, of a model whose batches take so many seconds.
    fn sizes(appetite: &mut Appetite, turns: u64, waiting: usize, cost: impl Fn(usize) -> f64) -> Vec<usize> {
        let batch = |turn| {
            let rows = waiting.min(appetite.most(32, turn));
            appetite.observe(Duration::from_secs_f64(cost(rows)), rows);
            rows
        };
        (0..turns).map(batch).collect()
    }

    #[test]
    fn batches_are_as_large_as_pays() {
        let last = |cost: fn(usize) -> f64| {
            let sizes = sizes(&mut Appetite::default(), 1000, 32, cost);
            let mut last = sizes[900..].to_vec();
            last.sort_unstable();
            last[50]
        };
        assert_eq!(last(|rows| 7.0 * MS * rows as f64), 1, "rows cost the same in any batch");
        assert_eq!(last(|rows| 0.6 * MS + 7.0 * MS * rows as f64), 3, "a little for each batch");
        assert_eq!(last(|rows| 7.0 * MS + 0.1 * MS * rows as f64), 31, "most of it for each batch");
        assert_eq!(last(|rows| 0.1 * MS * rows as f64), 32, "batches are short");
    }

    #[test]
    fn whoever_is_alone_is_run_alone_and_large_batches_are_tried_again() {
        let mut appetite = Appetite::default();
        let linear = |rows: usize| 7.0 * MS * rows as f64;
        assert!(sizes(&mut appetite, 100, 1, linear).iter().all(|rows| *rows == 1));
        assert_eq!(sizes(&mut appetite, 4, 32, linear), [32; 4], "nothing is known of large ones");
        sizes(&mut appetite, 1000, 32, linear);
        let pays = |rows: usize| 7.0 * MS + 0.1 * MS * rows as f64;
        let later = sizes(&mut appetite, 6000, 32, pays);
        let large = later[5000..].iter().filter(|rows| **rows >= 31).count();
        assert!(large > 900, "{large} of 1000");
    }

    #[test]
    fn larger_ones_are_tried_again_where_smaller_ones_never_come() {
        let (mut appetite, rows_each) = (Appetite::default(), 8);
        let mut last = |turns, cost: fn(usize) -> f64| {
            let mut sizes = Vec::new();
            for turn in 0..turns {
                // Requests of so many rows: a batch has one of them at least.
                let rows = (appetite.most(32, turn) / rows_each).max(1) * rows_each;
                appetite.observe(Duration::from_secs_f64(cost(rows)), rows);
                sizes.push(rows);
            }
            sizes.split_off(sizes.len() - 100).into_iter().filter(|rows| *rows == rows_each).count()
        };
        assert!(last(1000, |rows| 7.0 * MS * rows as f64) > 90, "one request pays as well as four");
        assert!(last(3000, |rows| 7.0 * MS + 0.1 * MS * rows as f64) < 10, "and then not any more");
    }

    #[test]
    fn little_is_lost_by_learning() {
        let cost = |rows: usize| 7.0 * MS + 1.0 * MS * rows as f64;
        let sizes = sizes(&mut Appetite::default(), 1000, 32, cost);
        let rows: usize = sizes.iter().sum();
        let seconds: f64 = sizes.iter().map(|rows| cost(*rows)).sum();
        assert!(rows as f64 / seconds > 0.99 * 32.0 / cost(32));
    }
}
