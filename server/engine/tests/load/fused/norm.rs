//! Normalisations as operator sets before 17 and TensorFlow spell them.

use super::*;

const WIDTH: i64 = 8;

fn base(opset: i64) -> OnnxBuilder {
    OnnxBuilder::new()
        .opset("", opset)
        .input("x", DataType::Float, &[-1, 5, WIDTH])
        .constant("eps", floats(&[], &[1e-5]))
        .constant("two", floats(&[], &[2.0]))
        .constant("one", floats(&[1], &[1.0]))
        .constant("g", weights(&[WIDTH], 1))
        .constant("b", weights(&[1, 1, WIDTH], 2))
}

fn mean(from: &str, to: &str) -> crate::builder::Node {
    node("ReduceMean", from, to).with("axes", vec![-1i64])
}

/// The variance of `x`, plus epsilon.
fn variance(model: OnnxBuilder) -> OnnxBuilder {
    model
        .node(mean("x", "m"))
        .node(node("Sub", "x m", "d"))
        .node(node("Pow", "d two", "dd"))
        .node(mean("dd", "v"))
        .node(node("Add", "v eps", "ve"))
}

fn ops(model: OnnxBuilder) -> Vec<&'static str> {
    checked(model, &[("x", tensor(&[3, 5, 8], 7))])
}

#[test]
fn a_quotient_by_the_root() {
    let model = variance(base(13))
        .node(node("Sqrt", "ve", "r"))
        .node(node("Div", "d r", "n"))
        .node(node("Mul", "n g", "s"))
        .node(node("Add", "s b", "y"));
    assert_eq!(ops(model), ["Norm"]);
}

#[test]
fn a_deviation_taken_twice() {
    let model = base(11)
        .node(node("ReduceMean", "x", "m").with("axes", vec![2i64]))
        .node(node("Sub", "x m", "d"))
        .node(node("Sub", "x m", "e"))
        .node(node("Mul", "e e", "ee"))
        .node(mean("ee", "v"))
        .node(node("Add", "eps v", "ve"))
        .node(node("Sqrt", "ve", "r"))
        .node(node("Reciprocal", "r", "f"))
        .node(node("Mul", "f d", "n"))
        .node(node("Mul", "g n", "y"));
    assert_eq!(ops(model), ["Norm"]);
}

#[test]
fn without_scale_and_shift() {
    let model = variance(base(13)).node(node("Sqrt", "ve", "r")).node(node("Div", "d r", "y"));
    assert_eq!(ops(model), ["Norm"]);
}

#[test]
fn the_factor_distributed() {
    let tail = |model: OnnxBuilder, factor: &str| {
        model
            .node(node("Mul", &format!("x {factor}"), "a"))
            .node(node("Mul", &format!("{factor} m"), "c"))
            .node(node("Sub", "b c", "e"))
            .node(node("Add", "e a", "y"))
    };
    let factor = |model: OnnxBuilder| model.node(node("Sqrt", "ve", "r")).node(node("Reciprocal", "r", "f"));
    let with_scale = factor(variance(base(13))).node(node("Mul", "f g", "fg"));
    assert_eq!(ops(tail(with_scale, "fg")), ["Norm"]);
    assert_eq!(ops(tail(factor(variance(base(13))), "f")), ["Norm"]);
}

#[test]
fn a_root_mean_square() {
    let square = |model: OnnxBuilder| {
        model.node(node("Pow", "x two", "xx")).node(mean("xx", "v")).node(node("Add", "v eps", "ve"))
    };
    let by_reciprocal = square(base(13))
        .node(node("Sqrt", "ve", "r"))
        .node(node("Div", "one r", "f"))
        .node(node("Mul", "x f", "n"))
        .node(node("Mul", "g n", "y"));
    assert_eq!(ops(by_reciprocal), ["Norm"]);
    let by_power = square(base(13))
        .constant("minus", floats(&[], &[-0.5]))
        .node(node("Pow", "ve minus", "f"))
        .node(node("Mul", "x f", "y"));
    assert_eq!(ops(by_power), ["Norm"]);
}

#[test]
fn a_sum_that_only_the_norm_reads() {
    let model = |extra: &str| {
        let model = OnnxBuilder::new()
            .input("x", DataType::Float, &[-1, 5, WIDTH])
            .input("z", DataType::Float, &[1, 5, WIDTH])
            .constant("g", weights(&[WIDTH], 1))
            .constant("b", weights(&[WIDTH], 2))
            .node(node("Add", "x z", "s"))
            .node(node("LayerNormalization", "s g b", "n"));
        model.node(node("Mul", &format!("n {extra}"), "y"))
    };
    let inputs = [("x", tensor(&[3, 5, 8], 7)), ("z", tensor(&[1, 5, 8], 8))];
    assert_eq!(checked(model("z"), &inputs), ["Norm", "Mul"]);
    assert_eq!(checked(model("s"), &inputs), ["Add", "Norm", "Mul"]);
}

#[test]
fn what_only_looks_like_a_norm_stays() {
    // The mean of another axis.
    let model = base(13)
        .node(node("ReduceMean", "x", "m").with("axes", vec![1i64]))
        .node(node("Sub", "x m", "d"))
        .node(node("Pow", "d two", "dd"))
        .node(mean("dd", "v"))
        .node(node("Add", "v eps", "ve"))
        .node(node("Sqrt", "ve", "r"))
        .node(node("Div", "d r", "y"));
    // Rows are brought to a mean square of 1, after another mean was taken off.
    assert_eq!(ops(model), ["ReduceMean", "Sub", "Norm"]);
    let other = variance(base(13)).node(node("Sqrt", "ve", "r")).node(node("Div", "x r", "y"));
    assert!(!ops(other).contains(&"Norm"));
    let dynamic = variance(base(13))
        .node(node("Sqrt", "ve", "r"))
        .node(node("Div", "d r", "n"))
        .node(node("Mul", "n x", "y"));
    assert_eq!(ops(dynamic), ["Norm", "Mul"]);
}
