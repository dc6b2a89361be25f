//! Convolutions of bytes with fixed weights.

use super::*;
use crate::builder;

fn integers(elem: DataType, dims: &[i64], seed: u32, most: f32) -> TensorProto {
    let len = dims.iter().product::<i64>() as usize;
    let shift = if elem == DataType::Uint8 { most } else { 0.0 };
    let ints = values(len, seed).into_iter().map(|v| (v * most + shift) as i32).collect();
    TensorProto { int32_data: ints, ..builder::tensor(elem, dims) }
}

#[test]
fn weights_of_convolutions_are_packed() {
    let positive = |len: i64, seed| {
        let numbers: Vec<f32> = values(len as usize, seed).iter().map(|v| v.abs() / 50.0 + 0.01).collect();
        floats(&[len], &numbers)
    };
    let conv = node("QLinearConv", "x xs xz w ws wz ys yz b", "q")
        .with("group", 2i64)
        .with("pads", vec![1i64, 1, 1, 1])
        .with("strides", vec![2i64, 1]);
    let model = OnnxBuilder::new()
        .input("x", DataType::Uint8, &[-1, 4, 6, 5])
        .constant("xs", floats(&[], &[0.02]))
        .constant("xz", integers(DataType::Uint8, &[], 1, 60.0))
        .constant("w", integers(DataType::Int8, &[6, 2, 3, 3], 2, 120.0))
        .constant("ws", positive(6, 3))
        .constant("wz", integers(DataType::Int8, &[6], 4, 9.0))
        .constant("ys", floats(&[], &[0.05]))
        .constant("yz", integers(DataType::Uint8, &[], 5, 60.0))
        .constant("b", integers(DataType::Int32, &[6], 6, 500.0))
        .node(conv)
        .node(node("DequantizeLinear", "q ys yz", "y"));
    let bytes = values(2 * 4 * 6 * 5, 7).into_iter().map(|v| (v * 100.0 + 100.0) as u8).collect();
    let x = Tensor::from_vec::<u8>(vec![2, 4, 6, 5], bytes).unwrap();
    assert_eq!(checked(model.clone(), &[("x", x)]), ["QLinearConv", "DequantizeLinear"]);
    let packed = plan(model.outputs("y"));
    let weights = packed.nodes().next().unwrap();
    assert!(weights.inputs[3].is_none(), "{weights:?}");
}
