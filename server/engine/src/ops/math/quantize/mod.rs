//! Linear quantization: `QuantizeLinear`, `DequantizeLinear`, `DynamicQuantizeLinear`, to integers of 4 to
//! 32 bits and floats of 4 and 8.

pub(super) mod dequantize;
pub(super) mod dynamic;
mod grid;
pub(super) mod linear;
mod numbers;
