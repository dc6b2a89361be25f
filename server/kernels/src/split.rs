//! How work of many equal items is cut into tasks of a pool.

use std::ops::Range;

use crate::pool;

/// Multiplications (or as cheap steps) that are worth a task of their own: some microseconds.
const WORTHWHILE: usize = 1 << 17;

/// As how many steps so many multiplications and additions of a matrix product count, whose operands are in
/// registers.
pub(crate) const fn products(count: usize) -> usize {
    count / 2
}

/// Tasks for each thread, so that one that is held up delays little.
const SHARE: usize = 4;

/// Calls `work` with ranges that together are `0..items`, on the pool's threads where items of `steps` steps
/// each are worth it.
pub(crate) fn ranges(items: usize, steps: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
    let tasks = tasks(items, steps);
    if tasks <= 1 {
        return work(0..items);
    }
    pool::run(tasks, &|task| work(task * items / tasks..(task + 1) * items / tasks));
}

/// The number of tasks that `items` of `steps` each are worth here.
pub(crate) fn tasks(items: usize, steps: usize) -> usize {
    let threads = pool::threads();
    if threads == 1 {
        return 1;
    }
    let worth = items.saturating_mul(steps) / WORTHWHILE;
    // Fewer tasks than threads are rounded up to all threads: half a worthwhile task each still pays.
    let wanted = if worth < 2 { 1 } else { worth.clamp(threads, threads * SHARE) };
    wanted.min(items).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        let pool = pool::Pool::new(2).unwrap();
        for items in [0, 1, 7, 100] {
            let done: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            pool.enter(|| {
                ranges(items, WORTHWHILE, &|range| {
                    for i in range {
                        done[i].fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
            assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}
