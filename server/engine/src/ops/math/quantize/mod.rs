//! Linear quantization: `QuantizeLinear`, `DequantizeLinear`, `DynamicQuantizeLinear`, to integers of 8 to
//! 32 bits. The 4-bit and 8-bit float types of newer operator sets are no types of this engine.

pub(super) mod dequantize;
pub(super) mod dynamic;
mod grid;
pub(super) mod linear;
