//! Where work is split over threads: only inside a session's pool, and only where there is enough of it.

use rayon::prelude::*;

use crate::error::Result;

/// Elementary steps below which splitting costs more than it gives.
const WORTHWHILE: usize = 1 << 16;

/// Threads that work of `steps` elementary steps may use here.
pub(crate) fn threads(steps: usize) -> usize {
    if steps < WORTHWHILE || rayon::current_thread_index().is_none() {
        return 1;
    }
    rayon::current_num_threads()
}

/// How the `gemm` crate may split one product; it has a threshold of its own.
pub(super) fn of_gemm() -> gemm::Parallelism {
    match rayon::current_thread_index() {
        Some(_) if rayon::current_num_threads() > 1 => gemm::Parallelism::Rayon(rayon::current_num_threads()),
        _ => gemm::Parallelism::None,
    }
}

/// Runs `work` on chunks of `data` of `chunk` elements (the last may be shorter), with their numbers.
///
/// # Errors
/// The first of a chunk.
pub(crate) fn chunks<T: Send>(
    data: &mut [T],
    chunk: usize,
    steps: usize,
    work: impl Fn(usize, &mut [T]) -> Result<()> + Sync + Send,
) -> Result<()> {
    let chunk = chunk.max(1);
    if threads(steps) > 1 && data.len() > chunk {
        return data.par_chunks_mut(chunk).enumerate().try_for_each(|(i, chunk)| work(i, chunk));
    }
    data.chunks_mut(chunk).enumerate().try_for_each(|(i, chunk)| work(i, chunk))
}

/// Runs `tasks` tasks by number, each with scratch that one thread uses for all its tasks.
///
/// # Errors
/// The first of a task.
pub(crate) fn tasks<S: Send>(
    tasks: usize,
    steps: usize,
    scratch: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, usize) -> Result<()> + Sync + Send,
) -> Result<()> {
    if threads(steps) > 1 && tasks > 1 {
        return (0..tasks).into_par_iter().map_init(scratch, |own, task| work(own, task)).collect();
    }
    let mut own = scratch();
    (0..tasks).try_for_each(|task| work(&mut own, task))
}
