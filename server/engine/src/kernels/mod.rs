//! Loops over plain slices that several operators share; the only place of the engine with `unsafe`.
//!
//! A kernel knows no tensors: its caller has checked shapes and sizes, and the kernel checks its slices
//! once, before its loops.

pub(crate) mod conv;
pub(crate) mod gemm;
pub(crate) mod integer;
pub(crate) mod matrix;
pub(crate) mod norm;
pub(crate) mod parallel;
pub(crate) mod pool;
pub(crate) mod real;
pub(crate) mod squash;

pub(crate) use girandole_kernels::window;
