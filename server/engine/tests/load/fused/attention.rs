//! Attention: spellings of projections, masks and heads.

use super::*;
use crate::builder;

const SEQUENCE: i64 = 5;

/// Two heads of four columns over `x` of eight; K is turned in one step.
fn attention(mask: &[i64]) -> OnnxBuilder {
    base(mask)
        .node(node("Transpose", "kr", "kt").with("perm", vec![0i64, 2, 3, 1]))
        .node(node("MatMul", "qt kt", "s"))
        .node(node("Div", "s root", "scaled"))
        .node(node("Add", "mask scaled", "masked"))
}

/// As [`attention`], in the way of `scaled_dot_product_attention`: K is turned as a batch of matrices, and
/// either side is scaled.
fn turned_as_batch(mask: &[i64]) -> OnnxBuilder {
    base(mask)
        .constant("flat", ints(&[3], &[-1, SEQUENCE, 4]))
        .constant("back", ints(&[4], &[-1, 2, 4, SEQUENCE]))
        .node(node("Transpose", "kr", "kh").with("perm", vec![0i64, 2, 1, 3]))
        .node(node("Reshape", "kh flat", "kf"))
        .node(node("Transpose", "kf", "kft").with("perm", vec![0i64, 2, 1]))
        .node(node("Reshape", "kft back", "kt"))
        .node(node("Mul", "qt half", "qs"))
        .node(node("Mul", "half kt", "ks"))
        .node(node("MatMul", "qs ks", "s"))
        .node(node("Add", "s mask", "masked"))
}

fn base(mask: &[i64]) -> OnnxBuilder {
    let mut model = OnnxBuilder::new()
        .input("x", DataType::Float, &[-1, SEQUENCE, 8])
        .constant("split", ints(&[4], &[0, -1, 2, 4]))
        .constant("root", floats(&[], &[2.0]))
        .constant("half", floats(&[1], &[0.7]))
        .constant("mask", weights(mask, 9));
    for (i, side) in ["q", "k", "v"].into_iter().enumerate() {
        model = model
            .constant(&format!("{side}w"), weights(&[8, 8], i as u32))
            .node(node("MatMul", &format!("x {side}w"), side))
            .node(node("Reshape", &format!("{side} split"), &format!("{side}r")));
    }
    let turn = |side: &str| {
        node("Transpose", &format!("{side}r"), &format!("{side}t")).with("perm", vec![0i64, 2, 1, 3])
    };
    model.node(turn("q")).node(turn("v"))
}

fn answered(model: OnnxBuilder, outputs: &str) -> Plan {
    let model = model
        .constant("joined", ints(&[3], &[0, 0, 8]))
        .node(node("Softmax", "masked", "p"))
        .node(node("MatMul", "p vt", "heads"))
        .node(node("Transpose", "heads", "turned").with("perm", vec![0i64, 2, 1, 3]))
        .node(node("Reshape", "turned joined", "y"));
    plan(model.outputs(outputs))
}

#[test]
fn attention_is_fused_in_every_spelling() {
    let x = [Tensor::from_vec(vec![3, SEQUENCE as usize, 8], values(3 * 5 * 8, 3)).unwrap()];
    for spelling in [attention, turned_as_batch] {
        for mask in [&[SEQUENCE][..], &[1, 1, SEQUENCE, SEQUENCE], &[1, 2, 1, 1]] {
            let (fused, plain) = (answered(spelling(mask), "y"), answered(spelling(mask), "y p"));
            let names: Vec<_> = fused.nodes().map(|node| node.op_type).collect();
            // Queries, keys and values are one product.
            assert_eq!(names, ["Linear", "FusedAttention", "Reshape"]);
            assert!(!has(&plain, "FusedAttention"));
            assert_same(&run(&fused, &x), &run(&plain, &x));
        }
    }
}

#[test]
fn a_mask_may_widen_the_scores() {
    let x = [tensor(&[1, 5, 8], 3)];
    let (fused, plain) =
        (answered(attention(&[3, 1, 1, SEQUENCE]), "y"), answered(attention(&[3, 1, 1, SEQUENCE]), "y p"));
    assert!(has(&fused, "FusedAttention") && !has(&plain, "FusedAttention"));
    assert_same(&run(&fused, &x), &run(&plain, &x));
}

#[test]
fn products_that_others_read_or_of_other_inputs_stay_apart() {
    let x = [tensor(&[3, 5, 8], 3)];
    let (fused, plain) = (answered(attention(&[SEQUENCE]), "y k"), answered(attention(&[SEQUENCE]), "y p"));
    assert_eq!(fused.nodes().filter(|node| node.op_type == "Linear").count(), 3);
    assert!(has(&fused, "FusedAttention"));
    assert_same(&run(&fused, &x), &run(&plain, &x));
}

/// Attention of two heads of four columns over queries `q`, keys `k` (turned) and values `v`; `scored` makes
/// `masked` of the scores `s`.
fn core(model: OnnxBuilder, scored: impl Fn(OnnxBuilder) -> OnnxBuilder) -> OnnxBuilder {
    let model = model
        .constant("joined", ints(&[3], &[0, 0, 8]))
        .node(node("Transpose", "k", "kt").with("perm", vec![0i64, 1, 3, 2]))
        .node(node("MatMul", "q kt", "s"));
    scored(model)
        .node(node("Softmax", "masked", "p").with("axis", -1i64))
        .node(node("MatMul", "p v", "heads"))
        .node(node("Transpose", "heads", "turned").with("perm", vec![0i64, 2, 1, 3]))
        .node(node("Reshape", "turned joined", "y"))
}

fn heads_given(scored: impl Fn(OnnxBuilder) -> OnnxBuilder) -> OnnxBuilder {
    let heads = &[-1, 2, SEQUENCE, 4];
    let model = OnnxBuilder::new().opset("", 18);
    let model = ["q", "k", "v"].iter().fold(model, |model, side| model.input(side, DataType::Float, heads));
    core(model, scored)
}

fn given() -> Vec<(&'static str, Tensor)> {
    ["q", "k", "v"].into_iter().zip(1..).map(|(side, seed)| (side, tensor(&[3, 2, 5, 4], seed))).collect()
}

fn bools(dims: &[i64], hidden: impl Fn(usize) -> bool) -> TensorProto {
    let len = dims.iter().product::<i64>() as usize;
    TensorProto {
        int32_data: (0..len).map(|i| i32::from(!hidden(i))).collect(),
        ..builder::tensor(DataType::Bool, dims)
    }
}

#[test]
fn a_condition_may_hide_scores() {
    let causal = |i: usize| i % 5 > i / 5 % 5;
    for fill in [-10_000.0, f32::MIN, f32::NEG_INFINITY] {
        for dims in [&[1, 1, SEQUENCE, SEQUENCE][..], &[SEQUENCE, SEQUENCE]] {
            let model = heads_given(|model| {
                model.constant("seen", bools(dims, causal)).constant("fill", floats(&[], &[fill])).node(node(
                    "Where",
                    "seen s fill",
                    "masked",
                ))
            });
            assert_eq!(checked(model, &given()), ["FusedAttention", "Reshape"]);
        }
    }
}

#[test]
fn a_condition_that_shows_nothing_leaves_what_the_fill_says() {
    for fill in [-10_000.0, f32::NEG_INFINITY] {
        let model = heads_given(|model| {
            model
                .constant("hidden", bools(&[SEQUENCE, SEQUENCE], |i| i / 5 != 2))
                .constant("fill", floats(&[1], &[fill]))
                .node(node("Where", "hidden fill s", "masked"))
        });
        assert_eq!(checked(model, &given()), ["FusedAttention", "Reshape"]);
    }
}

#[test]
fn a_condition_and_a_sum_are_one_mask_where_the_fill_absorbs_scores() {
    let both = |fill: f32| {
        heads_given(|model| {
            model
                .constant("seen", bools(&[SEQUENCE, SEQUENCE], |i| i % 5 > i / 5))
                .constant("fill", floats(&[], &[fill]))
                .constant("bias", weights(&[1, 2, 1, SEQUENCE], 8))
                .node(node("Where", "seen s fill", "shown"))
                .node(node("Add", "bias shown", "masked"))
        })
    };
    assert!(checked(both(f32::MIN), &given()).contains(&"FusedAttention"));
    assert!(!checked(both(-100.0), &given()).contains(&"FusedAttention"));
}

#[test]
fn a_fill_that_shows_more_is_not_fused() {
    let model = heads_given(|model| {
        model
            .constant("seen", bools(&[SEQUENCE, SEQUENCE], |i| i % 5 > i / 5))
            .constant("fill", floats(&[], &[3.0]))
            .node(node("Where", "seen s fill", "masked"))
    });
    assert!(!checked(model, &given()).contains(&"FusedAttention"));
}

#[test]
fn queries_that_see_nothing_may_give_zeros() {
    let heads = &[-1, 2, SEQUENCE, 4];
    let model = ["q", "k", "v"]
        .iter()
        .fold(OnnxBuilder::new(), |model, side| model.input(side, DataType::Float, heads))
        .constant("joined", ints(&[3], &[0, 0, 8]))
        .constant("seen", bools(&[SEQUENCE, SEQUENCE], |i| i / 5 == 2))
        .constant("fill", floats(&[], &[f32::NEG_INFINITY]))
        .constant("zero", floats(&[], &[0.0]))
        .node(node("Transpose", "k", "kt").with("perm", vec![0i64, 1, 3, 2]))
        .node(node("MatMul", "q kt", "s"))
        .node(node("Where", "seen s fill", "masked"))
        .node(node("Softmax", "masked", "p"))
        .node(node("IsNaN", "p", "none"))
        .node(node("Where", "none zero p", "safe"))
        .node(node("MatMul", "safe v", "y"));
    assert_eq!(checked(model, &given()), ["FusedAttention"]);
}

/// Queries, keys and values side by side in one product, cut apart by `cut` into `q`, `k` and `v`.
fn packed(split: &[i64], cut: impl Fn(OnnxBuilder) -> OnnxBuilder) -> Vec<&'static str> {
    let model = OnnxBuilder::new()
        .opset("", 18)
        .input("x", DataType::Float, &[-1, SEQUENCE, 8])
        .constant("w", weights(&[8, 24], 4))
        .constant("split", ints(&[split.len() as i64], split))
        .constant("half", floats(&[], &[0.5]))
        .node(node("MatMul", "x w", "all"));
    let model = core(cut(model), |model| model.node(node("Mul", "s half", "masked")));
    checked(model, &[("x", tensor(&[3, 5, 8], 5))])
}

fn turned(model: OnnxBuilder) -> OnnxBuilder {
    ["q", "k", "v"].into_iter().fold(model, |model, side| {
        model
            .node(node("Reshape", &format!("{side}s split"), &format!("{side}r")))
            .node(node("Transpose", &format!("{side}r"), side).with("perm", vec![0i64, 2, 1, 3]))
    })
}

#[test]
fn heads_are_read_where_one_product_left_them() {
    let by_split = packed(&[0, 0, 2, 4], |model| {
        turned(model.node(node("Split", "all", "qs ks vs").with("axis", 2i64).with("num_outputs", 3i64)))
    });
    assert_eq!(by_split, ["Linear", "FusedAttention", "Reshape"]);
    let by_slice = packed(&[0, 0, 2, 4], |model| {
        let model = model.constant("axis", ints(&[1], &[-1]));
        turned(["q", "k", "v"].into_iter().zip([0, 8, 16]).fold(model, |model, (side, begin)| {
            model
                .constant(&format!("{side}b"), ints(&[1], &[begin]))
                .constant(&format!("{side}e"), ints(&[1], &[begin + 8]))
                .node(node("Slice", &format!("all {side}b {side}e axis"), &format!("{side}s")))
        }))
    });
    assert_eq!(by_slice, ["Linear", "FusedAttention", "Reshape"]);
    let by_index = packed(&[0, 0, 3, 2, 4], |model| {
        let model = model
            .node(node("Reshape", "all split", "apart"))
            .node(node("Transpose", "apart", "first").with("perm", vec![2i64, 0, 3, 1, 4]));
        ["q", "k", "v"].into_iter().zip([0, 1, -1]).fold(model, |model, (side, index)| {
            model.constant(&format!("{side}i"), ints(&[], &[index])).node(node(
                "Gather",
                &format!("first {side}i"),
                side,
            ))
        })
    });
    assert_eq!(by_index, ["Linear", "FusedAttention", "Reshape"]);
}

#[test]
fn neighbouring_queries_share_keys() {
    let repeat = |model: OnnxBuilder, side: &str| {
        let name = |suffix: &str| format!("{side}{suffix}");
        model
            .input(&name("1"), DataType::Float, &[-1, 2, SEQUENCE, 4])
            .constant(&name("x"), ints(&[5], &[1, 2, 3, 1, 1]))
            .constant(&name("m"), ints(&[4], &[0, 6, SEQUENCE, 4]))
            .constant(&name("a"), ints(&[1], &[2]))
            .node(node("Unsqueeze", &format!("{side}1 {side}a"), &name("u")))
            .node(node("Expand", &format!("{side}u {side}x"), &name("w")))
            .node(node("Reshape", &format!("{side}w {side}m"), side))
    };
    let model = OnnxBuilder::new()
        .input("q", DataType::Float, &[-1, 6, SEQUENCE, 4])
        .constant("joined", ints(&[3], &[0, 0, 24]));
    let model = repeat(repeat(model, "k"), "v")
        .node(node("Transpose", "k", "kt").with("perm", vec![0i64, 1, 3, 2]))
        .node(node("MatMul", "q kt", "s"))
        .node(node("Softmax", "s", "p"))
        .node(node("MatMul", "p v", "y"));
    let inputs =
        [("q", tensor(&[3, 6, 5, 4], 1)), ("k1", tensor(&[3, 2, 5, 4], 2)), ("v1", tensor(&[3, 2, 5, 4], 3))];
    assert_eq!(checked(model, &inputs), ["FusedAttention"]);
}
