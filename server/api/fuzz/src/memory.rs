//! How much memory a target takes at most: every allocation of the process is counted.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What any input may take, small tables and buffers.
const BASE: usize = 256 << 10;

/// What clients send may take for each of its bytes.
pub(crate) const CLIENTS: usize = 32;

/// What a model's configuration may take for each of its bytes.
pub(crate) const CONFIGURATION: usize = 128;

/// What a file of TOML, of at most 1 MiB, may take for each of its bytes: the parser keeps every mistake until it ends.
pub(crate) const TOML: usize = 512;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

struct Counted;

fn add(bytes: usize) {
    MOST.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: it is the system's allocator, which is told the same.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Does the work, which must not take more memory at once than an input of `bytes` may, each so many `times`.
///
/// # Panics
/// Where it does.
pub(crate) fn within(bytes: usize, times: usize, work: impl FnOnce()) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    let took = MOST.load(Relaxed).saturating_sub(before);
    let may = BASE + times * bytes;
    assert!(took <= may, "an input of {bytes} bytes took {took} bytes of memory, it may take {may}");
}
