//! NVIDIA GPUs as the engine uses them: memory, streams, graphs, our kernels, cuBLASLt and cuDNN.
//!
//! The libraries are loaded when the first device is opened, so that one binary serves machines with and without
//! a GPU. Nothing here knows tensors of models: a [`Queue`] takes pointers, sizes and the names of kernels. Its two
//! implementations are [`device::Device`]'s streams and, for tests of everything above without a GPU, [`stub`].
//!
//! Invariant: a function that takes a [`Pointer`] trusts its caller that it is of that device and large enough;
//! those are `unsafe` on the way to the driver, here and nowhere above.

mod arena;
mod convolution;
pub mod device;
mod dnn;
mod fault;
mod function;
mod gemm;
mod gpu;
mod graph;
mod hopper;
mod images;
mod launch;
mod ledger;
mod matmul;
pub mod nvml;

mod pinned;
mod queue;
mod stream;
pub mod stub;
mod walk;

pub use arena::{Arena, Buffer};
pub use convolution::{Convolution, Shape as ConvolutionShape};
pub use fault::{Fault, Result};
pub use function::{BinaryOp, Code, CompareOp, LogicOp, ReduceOp, TestOp};
pub use gpu::{Gpu, Memory};
pub use graph::Graph;
pub use launch::{Argument, Grid, Kernel, Struct};
pub use ledger::{Ledger, Promise};
pub use matmul::{Epilogue, Matmul, Matrix};
pub use pinned::Pinned;
pub use queue::{Number, Pointer, Queue, Timer};
pub use walk::{MAX_RANK, Walk, Walk1, Walk2, Walk3};
