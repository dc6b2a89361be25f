//! Processor threads of a session: what it computes runs on the thread that owns it and on the helpers of a
//! pool of its own, so that it keeps no more cores busy than it was given.

use std::num::NonZero;

use girandole_core::{Error, ErrorCode, Result};
use girandole_kernels::pool::Pool;

/// The threads of one session: `threads`, of which its owner is one.
///
/// # Errors
/// `Unavailable` where the system gives no more threads.
pub(crate) fn pool(threads: usize) -> Result<Pool> {
    Pool::new(threads)
        .map_err(|error| Error::new(ErrorCode::Unavailable, format!("no threads for a session: {error}")))
}

/// Starts the threads that candle's own operators share, so that they have the priority of the calling thread and not of
/// whoever happens to need them first.
pub fn start_shared_threads() {
    // Somebody else may have been first: then they are there, which is all that is wanted.
    let _ = rayon::ThreadPoolBuilder::new().thread_name(|index| format!("candle-{index}")).build_global();
}

/// The threads that this machine runs at once.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
