//! Work captured once, to be run again as a whole, and the device's memory that it takes beside its buffers.

use std::any::Any;

/// See the module.
#[derive(Debug)]
pub struct Graph {
    pub(crate) work: Box<dyn Any + Send + Sync>,
    bytes: usize,
}

impl Graph {
    pub(crate) fn new(work: impl Any + Send + Sync, bytes: usize) -> Self {
        Self { work: Box::new(work), bytes }
    }

    /// Bytes that the driver keeps for it.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a driver keeps for a graph of `nodes` nodes during whose making `vanished` bytes of the device's memory did:
/// that, between what nodes take at least and at most.
///
/// The driver takes pieces of some MiB and gives graphs parts of them, so that mostly nothing vanishes; and what
/// another stream takes meanwhile vanishes too.
pub(crate) fn footprint(nodes: usize, vanished: usize) -> usize {
    /// Its parameters, and what the device reads to launch it.
    const LEAST: usize = 1 << 10;
    const MOST: usize = 64 << 10;
    vanished.clamp(nodes.saturating_mul(LEAST), nodes.saturating_mul(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanished_is_believed_between_bounds() {
        assert_eq!(footprint(10, 0), 10 << 10, "a part of a piece taken earlier");
        assert_eq!(footprint(100, 2 << 20), 2 << 20);
        assert_eq!(footprint(10, 1 << 30), 640 << 10, "somebody else's");
        assert_eq!(footprint(0, 1 << 30), 0);
    }
}
