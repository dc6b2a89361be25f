//! Where work is split over threads: only inside a session's pool, and only where there is enough of it.

use std::sync::{Mutex, PoisonError};

use girandole_kernels::pool;

use crate::error::{OpError, Result};

/// Elementary steps below which splitting costs more than it gives.
const WORTHWHILE: usize = 1 << 16;

/// Pieces for each thread, so that one that comes late holds up little.
const PIECES: usize = 4;

/// Threads that work of `steps` elementary steps may use here.
pub(crate) fn threads(steps: usize) -> usize {
    if steps < WORTHWHILE { 1 } else { pool::threads() }
}

/// Runs `work` on chunks of `data` of `chunk` elements (the last may be shorter), with their numbers.
///
/// # Errors
/// The first of a chunk.
pub(crate) fn chunks<T: Send>(
    data: &mut [T],
    chunk: usize,
    steps: usize,
    work: impl Fn(usize, &mut [T]) -> Result<()> + Sync,
) -> Result<()> {
    let chunk = chunk.max(1);
    if threads(steps) == 1 {
        return data.chunks_mut(chunk).enumerate().try_for_each(|(i, chunk)| work(i, chunk));
    }
    let failed = FirstError::default();
    pool::chunks(data, chunk, |i, chunk| failed.keep(work(i, chunk)));
    failed.into()
}

/// Runs `tasks` tasks by number, each with scratch that one thread uses for several.
///
/// # Errors
/// The first of a task.
pub(crate) fn tasks<S>(
    tasks: usize,
    steps: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<()> + Sync,
) -> Result<()> {
    let pieces = match threads(steps) {
        1 => 1,
        threads => tasks.min(PIECES * threads),
    };
    let share = tasks.div_ceil(pieces.max(1));
    let failed = FirstError::default();
    pool::run(pieces, &|piece| {
        let mut own = scratch();
        let mut range = piece * share..((piece + 1) * share).min(tasks);
        failed.keep(range.try_for_each(|task| work(&mut own, task)));
    });
    failed.into()
}

/// The error that came first.
#[derive(Default)]
struct FirstError(Mutex<Option<OpError>>);

impl FirstError {
    fn keep(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}

impl From<FirstError> for Result<()> {
    fn from(first: FirstError) -> Self {
        first.0.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tasks_run_and_an_error_is_told() {
        let pool = pool::Pool::new(2).unwrap();
        for (count, steps) in [(0, 0), (1, usize::MAX), (7, 0), (100, usize::MAX)] {
            let done = Mutex::new(vec![0; count]);
            let task = |own: &mut usize, i: usize| {
                *own += 1;
                done.lock().unwrap()[i] += 1;
                Ok(())
            };
            pool.enter(|| tasks(count, steps, || 0, task)).unwrap();
            assert_eq!(done.into_inner().unwrap(), vec![1; count]);
        }
        let fail = |_: &mut (), i: usize| if i == 3 { Err(OpError::invalid("three")) } else { Ok(()) };
        assert!(pool.enter(|| tasks(9, usize::MAX, || (), fail)).is_err());
        let mut data = [0u8; 9];
        assert!(pool.enter(|| chunks(&mut data, 2, usize::MAX, |i, _| fail(&mut (), i))).is_err());
    }
}
