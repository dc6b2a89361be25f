//! Rotary position embedding as exporters spell it.

use super::*;

/// Heads of a projection, their halves by `halves` as `a` and `b`, turned by `cos` and `sin`.
fn model(halves: impl Fn(OnnxBuilder) -> OnnxBuilder, joined: &str) -> OnnxBuilder {
    let model = OnnxBuilder::new()
        .opset("", 18)
        .input("x", DataType::Float, &[-1, 5, 16])
        .input("cos", DataType::Float, &[-1, 1, 5, 8])
        .input("sin", DataType::Float, &[5, 8])
        .constant("split", ints(&[4], &[0, 0, 2, 8]))
        .node(node("Reshape", "x split", "r"))
        .node(node("Transpose", "r", "h").with("perm", vec![0i64, 2, 1, 3]));
    halves(model)
        .node(node("Neg", "b", "nb"))
        .node(node("Neg", "a", "na"))
        .node(node("Concat", joined, "turned").with("axis", -1i64))
        .node(node("Mul", "h cos", "straight"))
        .node(node("Mul", "sin turned", "across"))
        .node(node("Add", "straight across", "y"))
}

fn split(model: OnnxBuilder) -> OnnxBuilder {
    model.node(node("Split", "h", "a b").with("axis", -1i64).with("num_outputs", 2i64))
}

fn ops(model: OnnxBuilder) -> Vec<&'static str> {
    let inputs =
        [("x", tensor(&[3, 5, 16], 1)), ("cos", tensor(&[3, 1, 5, 8], 2)), ("sin", tensor(&[5, 8], 3))];
    checked(model, &inputs)
}

#[test]
fn halves_are_found_in_every_spelling() {
    assert_eq!(ops(model(split, "nb a")), ["Rotary"]);
    let slices = |model: OnnxBuilder| {
        model
            .constant("zero", ints(&[1], &[0]))
            .constant("four", ints(&[1], &[4]))
            .constant("end", ints(&[1], &[i64::MAX]))
            .constant("axis", ints(&[1], &[3]))
            .node(node("Slice", "h zero four axis", "a"))
            .node(node("Slice", "h four end axis", "b"))
    };
    assert_eq!(ops(model(slices, "nb a")), ["Rotary"]);
}

#[test]
fn other_halves_stay() {
    for joined in ["na b", "nb na", "b a", "nb b"] {
        assert!(!ops(model(split, joined)).contains(&"Rotary"), "{joined}");
    }
}
