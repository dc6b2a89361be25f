//! The process's allocator: mimalloc, which gives freed pages back to the system by itself within about
//! a second, so that a version that is unloaded leaves nothing behind. It is built to ask for no huge pages: those are for
//! packed weights (`docs/adr/0018`).

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
