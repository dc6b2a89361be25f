//! Products of 8-bit integers, exact in `i32` (which wraps, as ONNX Runtime's do), and the quantization of
//! floats that comes before them.
//!
//! The left operand is kept as `u8` and the right one as `i8`, which is what the processor's instruction
//! multiplies; the other sign is had by an offset of 128 of elements and zero point alike. Zero points are
//! taken out afterwards: sum (a - x)(b - y) = sum ab - x sum b - y sum a + kxy.

mod left;
mod product;
mod quantize;
mod right;
mod tile;

#[cfg(test)]
mod tests;

pub use left::Left;
pub use product::{Into, Zeros, product, sums};
pub use quantize::{Range, quantize, range};
pub use right::Right;

/// Elements of the depth that are multiplied at once.
const DEPTH: usize = 4;
/// Columns of a panel of the right operand.
const COLUMNS: usize = 16;
/// Panels that a tile spans at most.
const PANELS: usize = 4;
/// Rows that a tile spans at most.
const ROWS: usize = 6;
/// Columns that a tile spans at most.
const WIDTH: usize = PANELS * COLUMNS;
/// What is added to an `i8` to make it a `u8`.
const OFFSET: i32 = 128;
