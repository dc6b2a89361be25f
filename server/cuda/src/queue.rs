//! A stream of work on one device, as the engine sees it.

use std::{any::Any, ops::Range, time::Duration};

use crate::{Argument, Convolution, Graph, Grid, Kernel, Matmul, Pinned, Result};

/// An address in a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pointer(pub u64);

impl Pointer {
    /// Nowhere.
    pub const NULL: Self = Self(0);

    /// The address `bytes` further.
    #[must_use]
    pub const fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }

    /// The largest power of two, up to 256, that the address is a multiple of.
    pub const fn alignment(self) -> u32 {
        let zeros = self.0.trailing_zeros();
        1 << if zeros > 8 { 8 } else { zeros }
    }
}

/// The type of floats that a product or a convolution computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// f32, every product exact to it.
    F32,
    /// f32 whose factors are rounded to 10 bits.
    Tf32,
    /// f16, summed in f32.
    F16,
    /// bf16, summed in f32.
    Bf16,
}

impl Number {
    /// Bytes of one.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 | Self::Tf32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Marks in a queue's work, between which time is taken.
#[derive(Debug)]
pub struct Timer(pub(crate) Box<dyn Any + Send + Sync>);

/// A stream of work on one device: what is put in runs in order, and after the call has returned.
///
/// Pointers must be of the device, live until the work has run, and large enough; a graph's until it is dropped.
pub trait Queue: Send + Sync {
    /// The device's number.
    fn device(&self) -> usize;

    /// The most dynamic shared memory that a block of threads may have, in bytes.
    fn shared_bytes(&self) -> u32;

    /// Makes the device the calling thread's. To be called by each thread before anything else.
    fn enter(&self) -> Result<()>;

    /// Whether the device is broken for good: nothing can be put in any more.
    fn is_lost(&self) -> bool;

    /// Gives the device up, since what was put in does not end.
    fn abandon(&self);

    /// Memory of the device, aligned to 256 bytes.
    fn allocate(&self, bytes: usize) -> Result<Pointer>;

    /// Gives memory back; waits for the device.
    fn free(&self, pointer: Pointer);

    /// Bytes of the device that libraries work in on this queue, beside what is allocated.
    fn workspaces(&self) -> usize;

    /// Memory of the host that the device reads and writes by itself.
    fn pinned(&self, bytes: usize) -> Result<Pinned>;

    /// Copies a part of pinned memory to the device; it must stay as it is until the queue has got there.
    fn upload(&self, to: Pointer, from: &Pinned, part: Range<usize>) -> Result<()>;

    /// Copies to the device, in order; the bytes may go once this returns. Not while capturing.
    fn write(&self, to: Pointer, from: &[u8]) -> Result<()>;

    /// Copies to the device and waits for the copy alone, outside the queue's order and of any capture.
    fn upload_now(&self, to: Pointer, from: &[u8]) -> Result<()>;

    /// Copies to the host.
    fn download(&self, to: &Pinned, from: Pointer, bytes: usize) -> Result<()>;

    /// Copies within the device.
    fn copy(&self, to: Pointer, from: Pointer, bytes: usize) -> Result<()>;

    /// Launches a kernel.
    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()>;

    /// Whether [`Self::matmul`] does a product's epilogue, and faster than a kernel after it would.
    fn applies(&self, matmul: &Matmul) -> bool;

    /// Multiplies matrices.
    fn matmul(&self, matmul: &Matmul) -> Result<()>;

    /// Convolves.
    fn convolve(&self, convolution: &Convolution) -> Result<()>;

    /// Whether [`Self::convolve`] can work at all.
    fn convolves(&self) -> bool;

    /// From here on work is recorded instead of run.
    fn begin_capture(&self) -> Result<()>;

    /// What was recorded.
    fn end_capture(&self) -> Result<Graph>;

    /// Runs what was recorded.
    fn replay(&self, graph: &Graph) -> Result<()>;

    /// A timer of `marks` marks.
    fn timer(&self, marks: usize) -> Result<Timer>;

    /// Sets a mark after what was put in so far.
    fn mark(&self, timer: &Timer, mark: usize) -> Result<()>;

    /// The device's time from one mark to the next, once the queue has been waited for.
    fn between(&self, timer: &Timer, mark: usize) -> Result<Duration>;

    /// Waits until everything has run.
    fn synchronize(&self) -> Result<()>;
}
