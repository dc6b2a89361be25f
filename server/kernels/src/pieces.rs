//! Work cut into pieces of neighbouring items, shared over the current pool's threads.

use std::ops::Range;

use crate::pool;

/// Pieces for each thread, so that a late thread holds up the others by a part of its share only.
const PIECES_PER_THREAD: usize = 4;

/// Calls `work` with pieces that make up `0..items`, of at least `least` items each (but for the last).
pub(crate) fn pieces(items: usize, least: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
    let threads = pool::threads();
    let least = least.max(1);
    if threads == 1 || items <= least {
        work(0..items);
        return;
    }
    let piece = items.div_ceil(PIECES_PER_THREAD * threads).max(least);
    pool::run(items.div_ceil(piece), &|i| work(i * piece..items.min((i + 1) * piece)));
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn pieces_make_up_all_items_once() {
        for (items, least) in [(0, 1), (1, 0), (7, 3), (1000, 1), (1000, 999), (1000, 4000)] {
            let seen = Mutex::new(vec![0; items]);
            pool::Pool::new(3).unwrap().enter(|| {
                pieces(items, least, &|range| seen.lock().unwrap()[range].iter_mut().for_each(|n| *n += 1));
            });
            assert!(seen.into_inner().unwrap().iter().all(|&n| n == 1), "{items} {least}");
        }
    }
}
