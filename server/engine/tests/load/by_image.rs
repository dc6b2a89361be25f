//! Batches whose images go through a part of the graph one by one: the answers are those of each image alone,
//! on any number of threads, and the batch stays together where weights are larger than maps.

use girandole_engine::{
    ops::RunContext,
    plan::Plan,
    value::{Tensor, Value},
};
use girandole_kernels::pool::Pool;
use girandole_proto::onnx::tensor_proto::DataType;

use crate::{
    builder::{OnnxBuilder, node},
    images::{count, numbers, weights},
    load,
};

/// Large maps, then small ones with many weights.
fn network() -> Plan {
    let model = OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, 3, 64, 64])
        .constant("w1", weights(&[32, 3, 3, 3]))
        .constant("w2", weights(&[32, 1, 3, 3]))
        .constant("w3", weights(&[48, 32, 1, 1]))
        .constant("s", weights(&[48, 48, 1, 1]))
        .constant("w4", weights(&[48, 48, 16, 16]))
        .constant("w5", weights(&[200, 48, 4, 4]))
        .node(node("Conv", "x w1", "a").with("pads", vec![1, 1, 1, 1]))
        .node(node("HardSwish", "a", "b"))
        .node(node("Conv", "b w2", "c").with("group", 32i64).with("pads", vec![1, 1, 1, 1]))
        .node(node("Conv", "c w3", "d"))
        .node(node("GlobalAveragePool", "d", "e"))
        .node(node("Conv", "e s", "f"))
        .node(node("HardSigmoid", "f", "g"))
        .node(node("Mul", "d g", "h"))
        .node(node("Conv", "h w4", "i").with("strides", vec![16, 16]))
        .node(node("Conv", "i w5", "j"));
    load(model.outputs("h j").bytes()).unwrap()
}

fn run(plan: &Plan, images: &[f32]) -> Vec<Vec<f32>> {
    let batch = images.len() / (3 * 64 * 64);
    let x = Tensor::from_vec(vec![batch, 3, 64, 64], images.to_vec()).unwrap();
    let made = plan.run(vec![Value::Tensor(x)], &RunContext::default()).unwrap();
    made.into_iter().map(|value| value.tensor().unwrap().to_vec().unwrap()).collect()
}

#[test]
fn each_image_has_the_answer_that_it_has_alone() {
    let plan = network();
    let ops: Vec<&str> = plan.nodes().map(|node| node.op_type).collect();
    assert_eq!((count(&ops, "ByImage"), count(&ops, "NhwcConv")), (1, 2), "{ops:?}");
    let images = numbers(5 * 3 * 64 * 64);
    let alone: Vec<_> = images.chunks(3 * 64 * 64).map(|image| run(&plan, image)).collect();
    for threads in 1..=3 {
        let pool = Pool::new(threads).unwrap();
        for batch in 1..=5 {
            let made = pool.enter(|| run(&plan, &images[..batch * 3 * 64 * 64]));
            for (index, output) in made.iter().enumerate() {
                let expected = alone[..batch].iter().flat_map(|image| &image[index]);
                assert_eq!(output.len(), expected.clone().count());
                let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
                assert!(output.iter().zip(expected).all(near), "{threads} threads, {batch} images");
            }
        }
    }
}
