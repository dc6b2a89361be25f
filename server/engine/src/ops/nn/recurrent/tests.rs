//! What the official cases leave out: both directions with lengths, batch first.

use super::*;

const HIDDEN: usize = 3;
const INPUT: usize = 2;
const STEPS: usize = 4;
const BATCH: usize = 2;

fn op(kind: Kind, course: Course, batch_first: bool) -> Recurrent {
    let one: &[Activation] = match kind {
        Kind::Lstm { .. } => &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
        Kind::Gru { .. } => &[Activation::Sigmoid, Activation::Tanh],
        Kind::Plain => &[Activation::Tanh],
    };
    let directions = if course == Course::Both { 2 } else { 1 };
    Recurrent { kind, course, activations: one.repeat(directions), clip: None, hidden: Some(3), batch_first }
}

fn values(shape: &[usize], seed: usize) -> Tensor {
    let len = shape.iter().product::<usize>();
    let data = (0..len).map(|i| (((i + seed) * 37 % 23) as f32 - 11.0) / 14.0).collect();
    Tensor::from_vec(shape, data).unwrap()
}

fn inputs(op: &Recurrent, x: Tensor, lengths: Option<Vec<i32>>) -> Vec<Option<Value>> {
    let (d, wide) = (op.directions(), op.kind.gates() * HIDDEN);
    let lengths = lengths.map(|all| Tensor::from_vec(&[BATCH][..], all).unwrap());
    let tensors = [
        Some(x),
        Some(values(&[d, wide, INPUT], 1)),
        Some(values(&[d, wide, HIDDEN], 2)),
        Some(values(&[d, 2 * wide], 3)),
        lengths,
    ];
    tensors.into_iter().map(|tensor| tensor.map(Value::Tensor)).collect()
}

fn run(op: &Recurrent, inputs: Vec<Option<Value>>) -> Vec<Vec<f32>> {
    let outputs = op.eval(Inputs::new(inputs), &RunContext::default()).unwrap();
    outputs.iter().map(|value| value.tensor().unwrap().to_vec().unwrap()).collect()
}

const KINDS: [Kind; 4] = [
    Kind::Lstm { input_forget: false },
    Kind::Gru { linear_before_reset: false },
    Kind::Gru { linear_before_reset: true },
    Kind::Plain,
];

fn assert_close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
}

#[test]
fn a_short_item_is_as_if_alone() {
    for kind in KINDS {
        for course in [Course::Forward, Course::Reverse] {
            let op = op(kind, course, false);
            let x = values(&[STEPS, BATCH, INPUT], 4);
            let cut = run(&op, inputs(&op, x.clone(), Some(vec![4, 2])));
            let first_two = Tensor::from_vec(
                &[2usize, BATCH, INPUT][..],
                x.to_vec::<f32>().unwrap()[..2 * BATCH * INPUT].to_vec(),
            );
            let short = run(&op, inputs(&op, first_two.unwrap(), None));
            assert_close(&cut[1][HIDDEN..], &short[1][HIDDEN..]);
            let rows = |all: &[f32], step: usize| {
                all[(step * BATCH + 1) * HIDDEN..(step * BATCH + 2) * HIDDEN].to_vec()
            };
            assert_close(&rows(&cut[0], 1), &rows(&short[0], 1));
            assert_close(&rows(&cut[0], 2), &[0.0; HIDDEN]);
        }
    }
}

#[test]
fn batch_first_is_the_same_turned() {
    for kind in KINDS {
        let (plain, turned) = (op(kind, Course::Both, false), op(kind, Course::Both, true));
        let x = values(&[STEPS, BATCH, INPUT], 4);
        let other = Tensor::from_candle(x.candle().unwrap().transpose(0, 1).unwrap()).unwrap();
        let (a, b) = (run(&plain, inputs(&plain, x, None)), run(&turned, inputs(&turned, other, None)));
        for step in 0..STEPS {
            for direction in 0..2 {
                for item in 0..BATCH {
                    let from = ((step * 2 + direction) * BATCH + item) * HIDDEN;
                    let to = ((item * STEPS + step) * 2 + direction) * HIDDEN;
                    assert_close(&a[0][from..from + HIDDEN], &b[0][to..to + HIDDEN]);
                }
            }
        }
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let op = op(Kind::Plain, Course::Forward, false);
    let mut wrong = inputs(&op, values(&[STEPS, BATCH, INPUT + 1], 0), None);
    assert!(op.eval(Inputs::new(wrong.clone()), &RunContext::default()).is_err());
    wrong[0] = Some(Value::Tensor(values(&[STEPS, BATCH, INPUT], 0)));
    wrong[4] = Some(Value::Tensor(Tensor::from_vec(&[2usize][..], vec![1i32, 9]).unwrap()));
    assert!(op.eval(Inputs::new(wrong), &RunContext::default()).is_err());
}
