//! A GPU as the engine sees it: a [`Device`](crate::device::Device), or one that a test made up.

use std::sync::Arc;

use crate::{Ledger, Queue, Result};

/// Memory of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes that nobody has.
    pub free: usize,
    /// All bytes.
    pub total: usize,
}

/// A GPU, opened.
pub trait Gpu: Send + Sync {
    /// Its number.
    fn index(&self) -> usize;

    /// Its memory.
    ///
    /// # Errors
    /// What the driver says.
    fn memory(&self) -> Result<Memory>;

    /// What was promised of its memory.
    fn ledger(&self) -> &Arc<Ledger>;

    /// A new stream.
    ///
    /// # Errors
    /// What the driver says.
    fn stream(self: Arc<Self>) -> Result<Arc<dyn Queue>>;

    /// Whether an error broke it for good: it is to be let go, and opened anew.
    fn is_lost(&self) -> bool;
}
