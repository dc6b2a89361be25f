//! Networks over images: what the passes make of them computes what the file says, and turns images as seldom
//! as it can. What a value that the graph hands out goes through is not fused, so a graph that hands out all
//! of its values is the reference for one that hands out only the last.

use girandole_engine::{
    ops::RunContext,
    value::{Tensor, Value},
};
use girandole_proto::onnx::tensor_proto::DataType;

use crate::{
    builder::{OnnxBuilder, floats, ints, node},
    load,
};

/// Numbers that look random.
pub(crate) fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(next).collect()
}

pub(crate) fn weights(dims: &[i64]) -> girandole_proto::onnx::TensorProto {
    let values = numbers(dims.iter().product::<i64>() as usize);
    floats(dims, &values)
}

struct Network {
    model: OnnxBuilder,
    input: Vec<usize>,
    /// Every value, in the order in which they are made.
    values: &'static str,
}

impl Network {
    fn run(&self, outputs: &str) -> Vec<Tensor> {
        let plan = load(self.model.clone().outputs(outputs).bytes()).unwrap();
        let x = Tensor::from_vec(&self.input[..], numbers(self.input.iter().product())).unwrap();
        let made = plan.run(vec![Value::Tensor(x)], &RunContext::default()).unwrap();
        made.into_iter().map(|value| value.tensor().unwrap().clone()).collect()
    }

    /// Runs it both ways and gives the names of the fused graph's operators.
    fn check(&self) -> Vec<&'static str> {
        let all = self.run(self.values);
        let last = self.values.split_whitespace().last().unwrap();
        let only = self.run(last);
        let (expected, made) = (all.last().unwrap(), &only[0]);
        assert_eq!(made.shape(), expected.shape());
        let pairs = made.to_vec::<f32>().unwrap().into_iter().zip(expected.to_vec::<f32>().unwrap());
        for (made, expected) in pairs {
            assert!((made - expected).abs() <= 1e-4 * (1.0 + expected.abs()), "{made} for {expected}");
        }
        let plan = load(self.model.clone().outputs(last).bytes()).unwrap();
        plan.nodes().map(|node| node.op_type).collect()
    }
}

pub(crate) fn count(ops: &[&str], op: &str) -> usize {
    ops.iter().filter(|&&name| name == op).count()
}

/// The beginning of every network here: images of 3 channels, to 16 and 24.
fn begin() -> OnnxBuilder {
    OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, 3, 9, 8])
        .constant("w1", weights(&[16, 3, 3, 3]))
        .constant("w2", weights(&[24, 16, 1, 1]))
        .constant("w3", weights(&[24, 1, 3, 3]))
        .constant("w4", weights(&[24, 24, 3, 3]))
        .constant("c", weights(&[24]))
        .constant("v", floats(&[24], &numbers(24).iter().map(|x| x + 1.5).collect::<Vec<_>>()))
        .node(node("Conv", "x w1", "a").with("strides", vec![2, 2]).with("pads", vec![1, 1, 1, 1]))
        .node(node("Relu", "a", "b"))
        .node(node("Conv", "b w2", "d"))
}

#[test]
fn a_bottleneck_is_three_convolutions() {
    let model = begin()
        .node(node("BatchNormalization", "d c c c v", "e"))
        .node(node("HardSwish", "e", "f"))
        .node(node("Conv", "f w3 c", "g").with("group", 24i64).with("pads", vec![1, 1, 1, 1]))
        .node(node("BatchNormalization", "g c c c v", "h"))
        .node(node("Conv", "h w4", "i").with("pads", vec![1, 1, 1, 1]))
        .node(node("Add", "i f", "j"))
        .node(node("Relu", "j", "k"))
        .node(node("GlobalAveragePool", "k", "l"))
        .node(node("Flatten", "l", "m"));
    let network = Network { model, input: vec![2, 3, 9, 8], values: "a b d e f g h i j k l m" };
    let ops = network.check();
    assert_eq!(count(&ops, "NhwcConv"), 4);
    assert_eq!(count(&ops, "Relu") + count(&ops, "HardSwish") + count(&ops, "BatchNormalization"), 0);
    assert_eq!(count(&ops, "Add"), 0);
    assert_eq!(count(&ops, "NhwcOrder"), 1, "only the pooled images are turned: {ops:?}");
}

#[test]
fn squeeze_and_excitation_is_a_product_with_few_factors() {
    let model = begin()
        .constant("w5", weights(&[24, 24, 1, 1]))
        .constant("axes", ints(&[2], &[-1, -2]))
        .node(node("ReduceMean", "d axes", "e"))
        .node(node("Conv", "e w5 c", "f"))
        .node(node("HardSigmoid", "f", "g"))
        .node(node("Mul", "g d", "h"))
        .node(node("Add", "d h", "i"));
    let network = Network { model, input: vec![2, 3, 9, 8], values: "a b d e f g h i" };
    let ops = network.check();
    assert_eq!((count(&ops, "NhwcScale"), count(&ops, "Add"), count(&ops, "Mul")), (1, 0, 0), "{ops:?}");
}

#[test]
fn activations_in_pieces_are_found() {
    let model = begin()
        .constant("three", floats(&[], &[3.0]))
        .constant("zero", floats(&[], &[0.0]))
        .constant("six", floats(&[], &[6.0]))
        .constant("half", floats(&[1], &[0.5]))
        .node(node("Mul", "half d", "e"))
        .node(node("Add", "e half", "f"))
        .node(node("Add", "f three", "g"))
        .node(node("Clip", "g zero six", "h"))
        .node(node("Mul", "f h", "i"))
        .node(node("Div", "i six", "j"))
        .node(node("Mul", "half j", "k"))
        .node(node("Add", "k half", "l"))
        .node(node("Conv", "l w3", "m").with("group", 24i64));
    let network = Network { model, input: vec![1, 3, 9, 8], values: "a b d e f g h i j k l m" };
    let ops = network.check();
    assert_eq!(ops.iter().filter(|op| !op.starts_with("Nhwc")).count(), 0, "{ops:?}");
}

#[test]
fn joined_and_resized_images_stay_as_they_are() {
    let model = begin()
        .constant("scales", floats(&[4], &[1.0, 1.0, 2.0, 3.0]))
        .constant("per_channel", weights(&[24, 1, 1]))
        .node(node("Resize", "d - scales", "e").with("mode", "nearest"))
        .node(node("MaxPool", "e", "f").with("kernel_shape", vec![2, 3]).with("strides", vec![2, 3]))
        .node(node("Mul", "f per_channel", "g"))
        .node(node("Concat", "g d", "h").with("axis", 1i64))
        .node(node("AveragePool", "h", "i").with("kernel_shape", vec![2, 2]));
    let network = Network { model, input: vec![2, 3, 9, 8], values: "a b d e f g h i" };
    let ops = network.check();
    assert_eq!(count(&ops, "NhwcOrder"), 1, "{ops:?}");
}

#[test]
fn a_normalisation_before_its_convolution_is_one_pass() {
    let model = begin()
        .constant("c2", weights(&[40]))
        .constant("v2", floats(&[40], &numbers(40).iter().map(|x| x + 1.5).collect::<Vec<_>>()))
        .constant("w5", weights(&[8, 40, 1, 1]))
        .node(node("Concat", "b d", "e").with("axis", 1i64))
        .node(node("BatchNormalization", "e c2 c2 c2 v2", "f"))
        .node(node("Relu", "f", "g"))
        .node(node("Conv", "g w5", "h"));
    let network = Network { model, input: vec![2, 3, 9, 8], values: "a b d e f g h" };
    let ops = network.check();
    assert_eq!(ops, ["NhwcConv", "NhwcConv", "Concat", "NhwcAffine", "NhwcConv", "NhwcOrder"]);
}

#[test]
fn a_sum_that_broadcasts_is_no_residual() {
    // Which sizes the two have is known only when it runs.
    let model = OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, 16, -1, -1])
        .constant("w", weights(&[16, 16, 1, 1]))
        .constant("w3", weights(&[16, 16, 3, 3]))
        .node(node("Conv", "x w", "a"))
        .node(node("Conv", "x w3", "b"))
        .node(node("Add", "a b", "c"))
        .node(node("Relu", "c", "d"));
    let network = Network { model, input: vec![3, 16, 3, 3], values: "a b c d" };
    network.check();
}

#[test]
fn sound_has_channels_innermost_too() {
    let model = OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, 6, 40])
        .constant("w", weights(&[20, 3, 5]))
        .constant("w2", weights(&[8, 20, 3]))
        .node(node("Conv", "x w", "a").with("group", 2i64).with("strides", vec![2]))
        .node(node("LeakyRelu", "a", "b"))
        .node(node("Conv", "b w2", "c").with("dilations", vec![2]).with("auto_pad", "SAME_UPPER"))
        .node(node("Transpose", "c", "d").with("perm", vec![0, 2, 1]));
    let network = Network { model, input: vec![2, 6, 40], values: "a b c d" };
    let ops = network.check();
    assert_eq!(ops, ["NhwcOrder", "NhwcConv", "NhwcConv", "Identity"]);
}

#[test]
fn images_are_enlarged_block_by_block() {
    let model = begin()
        .constant("w5", weights(&[24, 5, 2, 3]))
        .constant("c5", weights(&[1, 5, 1, 1]))
        .node(node("ConvTranspose", "d w5", "e").with("strides", vec![2, 3]))
        .node(node("Add", "e c5", "f"))
        .node(node("Relu", "f", "g"));
    let network = Network { model, input: vec![2, 3, 9, 8], values: "a b d e f g" };
    let ops = network.check();
    assert_eq!(ops, ["NhwcConv", "NhwcConv", "NhwcConvTranspose", "NhwcOrder"]);
}
