//! The process's allocator: one that gives memory back to the system, and does so when asked.

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Gives back what a version that is gone has freed. mimalloc purges freed pages by itself within
/// milliseconds; there is nothing left to ask for, but the line in the log says when it may be expected.
pub(crate) fn give_back() {
    tracing::debug!("a version's memory was freed");
}
