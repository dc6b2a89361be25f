//! What fuzzing found, one test for each class of fault: files that load or are refused, and runs that give
//! a result or fail, and that once did neither.

use girandole_proto::onnx::{TensorProto, tensor_proto::DataType};

use crate::{
    builder::{OnnxBuilder, floats, node, tensor},
    load,
};

#[test]
fn a_shape_of_a_size_that_no_rank_has_is_no_reason_to_make_that_many_dimensions() {
    let model = || OnnxBuilder::new().input("x", DataType::Float, &[2, 3]);
    for size in [i64::MAX, 1 << 60, 1 << 34] {
        let model = model().input("s", DataType::Int64, &[size]);
        for made in [node("ConstantOfShape", "s", "y"), node("Reshape", "x s", "y")] {
            drop(load(model.clone().node(made).outputs("y").bytes()));
        }
    }
}

#[test]
fn sizes_of_packed_weights_are_checked_before_they_are_multiplied() {
    let sizes = [2, 16, 1 << 28, 1 << 40, 1 << 61, 1 << 62, i64::MAX];
    for (k, n, block) in sizes.into_iter().flat_map(|size| [(size, 2, 16), (2, size, 16), (2, 2, size)]) {
        let codes = TensorProto { raw_data: vec![1; 16].into(), ..tensor(DataType::Uint8, &[2, 1, 8]) };
        let zeros = TensorProto { raw_data: vec![1; 2].into(), ..tensor(DataType::Uint8, &[2]) };
        let product = node("MatMulNBits", "x codes scales zeros", "y").domain("com.microsoft");
        let product = product.with("K", k).with("N", n).with("block_size", block).with("bits", 4i64);
        let model = OnnxBuilder::new()
            .input("x", DataType::Float, &[1, 2])
            .constant("codes", codes)
            .constant("scales", floats(&[2], &[1.0; 2]))
            .constant("zeros", zeros);
        drop(load(model.node(product).outputs("y").bytes()));
    }
}

#[test]
fn maps_of_images_may_come_to_more_bytes_than_can_be_counted() {
    let sizes = [2, 1 << 61];
    let model = OnnxBuilder::new().input("a", DataType::Float, &sizes).input("b", DataType::Float, &sizes);
    drop(load(model.node(node("Add", "a b", "y")).node(node("Mul", "y a", "z")).outputs("z").bytes()));
}
