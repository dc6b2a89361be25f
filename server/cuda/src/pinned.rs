//! Host memory that a device copies from and to by itself.

use std::cell::UnsafeCell;

/// A piece of it. What is written before a copy is put into a queue is what the copy reads; what a download wrote
/// may be read once the queue was synchronised.
pub struct Pinned {
    at: *mut UnsafeCell<u8>,
    len: usize,
    release: Option<Box<dyn FnOnce(*mut u8) + Send>>,
}

// SAFETY: it is plain memory that the value owns; a device's accesses are ordered by the queue's owner.
unsafe impl Send for Pinned {}
// SAFETY: as above; shared references only read it.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// Takes over `len` bytes at `at`, which `release` gives back.
    ///
    /// # Safety
    /// They must be valid and nobody else's until then.
    pub(crate) unsafe fn new(
        at: *mut u8,
        len: usize,
        release: impl FnOnce(*mut u8) + Send + 'static,
    ) -> Self {
        Self { at: at.cast(), len, release: Some(Box::new(release)) }
    }

    /// Its bytes.
    pub const fn as_slice(&self) -> &[u8] {
        // SAFETY: the memory is valid and initialised (made with zeros); the type's contract orders accesses.
        unsafe { std::slice::from_raw_parts(self.at.cast(), self.len) }
    }

    /// Its bytes, to write.
    pub const fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the reference is unique.
        unsafe { std::slice::from_raw_parts_mut(self.at.cast(), self.len) }
    }

    /// Its address, for the driver.
    pub(crate) const fn address(&self) -> *mut std::ffi::c_void {
        self.at.cast()
    }

    /// Bytes of it.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            release(self.at.cast());
        }
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pinned({} bytes)", self.len)
    }
}
