//! Padded equals unpadded where the analysis says so, and where it would not the analysis refuses.

mod exact;
pub(crate) mod net;
mod random;
mod real;

use girandole_proto::onnx::tensor_proto::DataType;

use self::{
    exact::{assert_equal, both},
    net::{Net, WIDTH, WORDS},
};
use super::{Padding, Place};
use crate::{
    ops::function::{int, ints},
    plan::Plan,
    value::Tensor,
};

/// What follows a hidden state.
type End = fn(&mut Net, &str) -> String;

/// Words of `rows` sequences, no two of a row the same, and a mask whose first `masked` places are 0 in every second row.
pub(crate) fn words(rows: usize, length: usize, masked: usize) -> Vec<Tensor> {
    let of = |f: &dyn Fn(usize, usize) -> i64| {
        let all = (0..rows).flat_map(|row| (0..length).map(move |place| (row, place)));
        Tensor::from_vec(vec![rows, length], all.map(|(row, place)| f(row, place)).collect()).unwrap()
    };
    let ids = of(&|row, place| ((row * 7 + place * 3 + 3) % WORDS) as i64);
    vec![ids, of(&|row, place| i64::from(row % 2 == 0 || place >= masked))]
}

fn padding(plan: &Plan) -> &Padding {
    plan.padding().unwrap().as_ref().unwrap_or_else(|obstacle| panic!("{obstacle}"))
}

/// Why a plan may not be padded.
fn refused(plan: &Plan) -> String {
    plan.padding().unwrap().as_ref().expect_err("it may be padded").to_string()
}

/// That a plan of words may be padded, and is exact.
fn assert_exact(plan: &Plan) -> &Padding {
    let padding = padding(plan);
    for (length, to, masked) in [(1, 2, 0), (3, 8, 0), (5, 6, 2), (7, 16, 6), (8, 8, 1)] {
        let (plain, padded) = both(plan, &words(3, length, masked), to);
        assert_equal(&plain, &padded, &format!("{length} as {to}"));
    }
    padding
}

#[test]
fn an_encoder_with_a_mask_that_is_added_is_exact() {
    for low in [-1e4, f32::MIN, f32::NEG_INFINITY] {
        let mut net = Net::of_words();
        let x = net.embedded("ids");
        let additive = if low.is_finite() { net.additive("mask", low) } else { chosen(&mut net, low) };
        let x = net.layer(&x, &additive);
        let x = net.layer(&x, &additive);
        let plan = net.plan(&[&x]);
        let padding = assert_exact(&plan);
        assert_eq!(padding.outputs, [Place { index: 0, axis: 1 }]);
        assert_eq!(padding.masks, [Place { index: 1, axis: 1 }]);
        assert_eq!(padding.longest, None);
    }
}

/// What is added to scores, chosen by a condition.
fn chosen(net: &mut Net, low: f32) -> String {
    let wide = net.wide_mask("mask");
    let (zero, low, none) = (net.integer(0), net.number(low), net.number(0.0));
    let condition = net.op("Equal", &[&wide, &zero]);
    net.op("Where", &[&condition, &low, &none])
}

#[test]
fn scores_that_are_replaced_where_the_mask_is_0_are_exact() {
    let mut net = Net::of_words();
    let x = net.embedded("ids");
    let wide = net.wide_mask("mask");
    let condition = net.op_with("Cast", &[&wide], vec![int("to", DataType::Bool as i64)]);
    let attended = net.attention(&x, |net, scores| {
        let low = net.number(f32::MIN);
        net.op("Where", &[&condition, scores, &low])
    });
    let pooled = net.slice(&attended, 0, 1, 1);
    assert_eq!(assert_exact(&net.plan(&[&pooled])).outputs, []);
}

#[test]
fn a_mask_that_is_stretched_to_a_square_is_exact() {
    let mut net = Net::of_words();
    let x = net.embedded("ids");
    let wide = net.additive("mask", f32::MIN);
    let (batch, one) = (net.integers(&[1]), net.integers(&[1]));
    let length = net.length("ids");
    let shape = net.along("Concat", &[&batch, &one, &length, &length], 0);
    let square = net.op("Expand", &[&wide, &shape]);
    let x = net.layer(&x, &square);
    assert_exact(&net.plan(&[&x]));
}

#[test]
fn pooling_by_the_mask_is_exact() {
    let pooled: [End; 4] = [
        |net, x| net.mean(x, "mask"),
        |net, x| {
            let first = net.integer(0);
            net.along("Gather", &[x, &first], 1)
        },
        |net, x| greatest(net, x, "ReduceMax", vec![ints("axes", &[1]), int("keepdims", 0)]),
        |net, x| greatest(net, x, "ArgMax", vec![int("axis", 1), int("keepdims", 0)]),
    ];
    for pool in pooled {
        let mut net = Net::of_words();
        let x = net.embedded("ids");
        let additive = net.additive("mask", -1e4);
        let x = net.layer(&x, &additive);
        let pooled = pool(&mut net, &x);
        assert_eq!(assert_exact(&net.plan(&[&pooled])).outputs, []);
    }
}

/// Something of the greatest over places whose mask is 1.
fn greatest(
    net: &mut Net,
    x: &str,
    op: &str,
    attributes: Vec<girandole_proto::onnx::AttributeProto>,
) -> String {
    let column = net.column("mask");
    let (one, low) = (net.number(1.0), net.number(-1e9));
    let rest = net.op("Sub", &[&one, &column]);
    let lowered = net.op("Mul", &[&rest, &low]);
    let masked = net.op("Add", &[x, &lowered]);
    net.op_with(op, &[&masked], attributes)
}

#[test]
fn places_are_counted_and_the_table_of_their_embeddings_is_the_longest() {
    let positions: [fn(&mut Net) -> String; 3] = [
        |net| {
            let length = net.length("ids");
            let axes = net.integers(&[0]);
            let scalar = net.op("Squeeze", &[&length, &axes]);
            let (zero, one) = (net.integer(0), net.integer(1));
            net.op("Range", &[&zero, &scalar, &one])
        },
        |net| {
            let table = net.integers(&(0..30).collect::<Vec<_>>());
            let (start, end) = (net.integers(&[0]), net.length("ids"));
            net.op("Slice", &[&table, &start, &end])
        },
        |net| {
            let (pad, axis) = (net.integer(1), net.integer(1));
            let same = net.op("Equal", &["ids", &pad]);
            let other = net.op("Not", &[&same]);
            let other = net.op_with("Cast", &[&other], vec![int("to", DataType::Int64 as i64)]);
            let sums = net.op("CumSum", &[&other, &axis]);
            let kept = net.op("Mul", &[&sums, &other]);
            net.op("Add", &[&kept, &pad])
        },
    ];
    for (position, longest) in positions.into_iter().zip([30, 30, 28]) {
        let mut net = Net::of_words();
        let (words, table) = (net.embedded("ids"), net.weights(&[30, WIDTH]));
        let places = position(&mut net);
        let places = net.op("Gather", &[&table, &places]);
        let sum = net.op("Add", &[&words, &places]);
        let x = net.norm(&sum);
        assert_eq!(assert_exact(&net.plan(&[&x])).longest, Some(longest));
    }
}

#[test]
fn a_recurrence_forward_is_exact_place_by_place() {
    let mut net = Net::of_words();
    let x = net.embedded("ids");
    let [all, _] = net.recurrence(&x, "forward");
    assert_eq!(assert_exact(&net.plan(&[&all])).outputs, [Place { index: 0, axis: 0 }]);
}

#[test]
fn what_looks_at_the_end_or_counts_places_is_refused() {
    let cases: [(&str, End); 10] = [
        ("Softmax", |net, x| net.attention(x, |_, scores| scores.to_owned())),
        ("ReduceMean", |net, x| net.op_with("ReduceMean", &[x], vec![ints("axes", &[1])])),
        ("ReduceSum", |net, x| net.summed(x)),
        ("GRU", |net, x| net.recurrence(x, "forward")[1].clone()),
        ("GRU", |net, x| net.recurrence(x, "reverse")[0].clone()),
        ("Slice", |net, x| net.slice(x, -1, i64::MAX, 1)),
        ("Slice", |net, x| net.slice(x, -1, i64::MIN, -1)),
        ("Gather", |net, x| {
            let last = net.integer(-1);
            net.along("Gather", &[x, &last], 1)
        }),
        ("Cast", |net, x| {
            let length = net.length(x);
            let length = net.op_with("Cast", &[&length], vec![int("to", DataType::Float as i64)]);
            let kept = net.mean(x, "mask");
            net.op("Div", &[&kept, &length])
        }),
        ("Concat", |net, x| net.along("Concat", &[x, x], 1)),
    ];
    for (operator, end) in cases {
        let mut net = Net::of_words();
        let x = net.embedded("ids");
        let end = end(&mut net, &x);
        let why = refused(&net.plan(&[&end]));
        assert!(why.contains(&format!("({operator})")), "{operator}: {why}");
    }
}

#[test]
fn masks_that_are_too_weak_are_refused() {
    let masked: [End; 4] = [
        // -100 is within what scores may be.
        |net, scores| {
            let additive = net.additive("mask", -100.0);
            net.op("Add", &[scores, &additive])
        },
        // Ones where there is nothing.
        |net, scores| {
            let wide = net.wide_mask("mask");
            let floats = net.op_with("Cast", &[&wide], vec![int("to", DataType::Float as i64)]);
            let low = net.number(f32::MIN);
            let additive = net.op("Mul", &[&floats, &low]);
            net.op("Add", &[scores, &additive])
        },
        // Along the places that look, not along those that are looked at.
        |net, scores| {
            let additive = net.additive("mask", f32::MIN);
            let turned = net.op_with("Transpose", &[&additive], vec![ints("perm", &[0, 1, 3, 2])]);
            net.op("Add", &[scores, &turned])
        },
        // Lower everywhere than any mask, so that nothing stands out.
        |net, scores| {
            let (additive, low) = (net.additive("mask", f32::MIN), net.number(f32::MIN));
            let masked = net.op("Add", &[scores, &additive]);
            net.op("Add", &[&masked, &low])
        },
    ];
    for (i, masked) in masked.into_iter().enumerate() {
        let mut net = Net::of_words();
        let x = net.embedded("ids");
        let x = net.attention(&x, masked);
        let why = refused(&net.plan(&[&x]));
        assert!(why.contains("(Softmax)"), "{i}: {why}");
    }
}

#[test]
fn a_number_that_may_not_be_finite_is_not_multiplied_away() {
    let mut net = Net::of_words();
    let x = net.embedded("ids");
    let inverse = net.op("Reciprocal", &[&x]);
    let pooled = net.mean(&inverse, "mask");
    assert!(refused(&net.plan(&[&pooled])).contains("(ReduceSum)"));
}
