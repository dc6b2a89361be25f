//! The engine's loops: threads, SIMD mathematics, and kernels over plain slices. No tensors, no files, no
//! candle, so that they build in seconds and run under a sanitizer on their own.
//!
//! Invariants: a kernel checks the lengths of its slices once, before its loops, and panics or reads
//! outside of them for no input; every SIMD path has a portable twin that the tests hold it to; the
//! instruction set is chosen when the program runs, never when it is built.

pub mod attention;
pub mod buffer;
pub mod conv;
#[cfg(test)]
mod effort;
pub mod elementwise;
mod fresh;
pub mod gemm;
mod huge;
pub mod integer;
pub mod isa;
pub mod layout;
pub mod math;
mod misfit;
pub mod nibbles;
pub mod norm;
mod pieces;
pub mod pool;
pub mod pooling;
pub mod recurrent;
pub mod rotary;
mod scratch;
mod simd;
mod split;
pub mod trees;
pub mod window;

pub use misfit::Misfit;
