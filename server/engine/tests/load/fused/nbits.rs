//! Products with weights of four bits.

use super::*;
use crate::builder;

fn bytes(dims: &[i64], seed: u32) -> TensorProto {
    let len = dims.iter().product::<i64>() as usize;
    let bytes: Vec<u8> = values(len, seed).into_iter().map(|v| (v * 127.0) as i8 as u8).collect();
    TensorProto { raw_data: bytes.into(), ..builder::tensor(DataType::Uint8, dims) }
}

fn model() -> OnnxBuilder {
    let product = node("MatMulNBits", "x w s z - b", "p")
        .domain("com.microsoft")
        .with("K", 40i64)
        .with("N", 6i64)
        .with("bits", 4i64)
        .with("block_size", 32i64);
    OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, 5, 40])
        .constant("w", bytes(&[6, 2, 16], 1))
        .constant("s", weights(&[12], 2))
        .constant("z", bytes(&[6], 3))
        .constant("b", weights(&[6], 4))
        .node(product)
        .node(node("Mul", "p p", "y"))
}

#[test]
fn weights_of_four_bits_stay_packed() {
    let x = tensor(&[3, 5, 40], 5);
    assert_eq!(checked(model(), &[("x", x)]), ["MatMulNBits", "Mul"]);
    let plan = plan(model().outputs("y"));
    // Codes, and a scale and a shift for each block, whose columns are padded to a vector.
    assert!(plan.constant_bytes() <= 16 * (32 + 2 * 2 * 4), "{}", plan.constant_bytes());
}
