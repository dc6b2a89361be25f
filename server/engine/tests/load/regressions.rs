//! What fuzzing found, one test for each class of fault: files that load or are refused, and runs that give
//! a result or fail, and that once did neither.

use girandole_proto::onnx::tensor_proto::DataType;

use crate::{
    builder::{OnnxBuilder, node},
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
