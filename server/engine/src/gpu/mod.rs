//! Models on NVIDIA GPUs: a plan whose steps run on the device where there is a kernel, else on the host.
//!
//! A step is placed when it runs, by what it takes: shapes and what is computed from them stay on the host, what a
//! kernel takes goes to the device, and what has no kernel comes back. Once a shape has run, the same launches are
//! captured as one CUDA graph ([`graphs`]) and replayed, where no step on the host needed what the device computed.

mod admission;
mod buckets;
mod clock;
mod context;
mod dtype;
mod function;
mod graph_memory;
mod graphs;
mod growth;
mod guard;
mod inputs;
mod lines;
mod model;
mod ops;
mod program;
mod rows;
mod runner;
mod session;
mod staging;
mod tensor;
#[cfg(test)]
mod tests;
mod transfer;
mod watchdog;
mod weights;

pub(crate) use buckets::Buckets;
pub use dtype::Precision;
pub use girandole_cuda::nvml::{Reading, Watch};
pub(crate) use graph_memory::GraphMemory;
pub(crate) use guard::Guard;
pub(crate) use model::{GpuModel, GpuOptions};
pub use runner::Runner;
