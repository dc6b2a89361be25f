//! Runs a plan with and without padding, and compares.

use crate::{
    ops::RunContext,
    padding::{Padding, Place},
    plan::Plan,
    value::{Bool, ElemType, Element, Tensor, Value},
};

/// What a plan makes of inputs, and what it makes of them padded to `length` and cut again.
pub(super) fn both(plan: &Plan, inputs: &[Tensor], length: usize) -> (Vec<Tensor>, Vec<Tensor>) {
    let padding = plan.padding().unwrap().as_ref().unwrap();
    let at = |places: &[Place], index: usize| -> Vec<usize> {
        places.iter().filter(|place| place.index == index).map(|place| place.axis).collect()
    };
    let padded = inputs.iter().enumerate().map(|(i, input)| resized(input, &at(&padding.inputs, i), length));
    let (plain, padded) = (run(plan, inputs.to_vec()), run(plan, padded.collect()));
    let true_length = length_of(padding, inputs);
    let cut =
        padded.iter().enumerate().map(|(i, output)| resized(output, &at(&padding.outputs, i), true_length));
    (plain, cut.collect())
}

/// The length of the padded dimension.
pub(super) fn length_of(padding: &Padding, inputs: &[Tensor]) -> usize {
    let place = padding.inputs[0];
    inputs[place.index].shape()[place.axis]
}

fn run(plan: &Plan, inputs: Vec<Tensor>) -> Vec<Tensor> {
    let inputs = inputs.into_iter().map(Value::Tensor).collect();
    let made = plan.run(inputs, &RunContext::default()).unwrap();
    made.into_iter().map(|value| value.tensor().unwrap().clone()).collect()
}

/// A tensor with axes of another length: zeros are added at the end, or elements taken off.
fn resized(tensor: &Tensor, axes: &[usize], length: usize) -> Tensor {
    axes.iter().fold(tensor.clone(), |tensor, &axis| match tensor.elem() {
        ElemType::F32 => along(&tensor, axis, length, &0f32),
        ElemType::I64 => along(&tensor, axis, length, &0i64),
        ElemType::Bool => along(&tensor, axis, length, &Bool::new(false)),
        other => panic!("no test has {other}"),
    })
}

fn along<T: Element>(tensor: &Tensor, axis: usize, length: usize, zero: &T) -> Tensor {
    let mut shape = tensor.shape().to_vec();
    let inner: usize = shape[axis + 1..].iter().product();
    let elements = tensor.to_vec::<T>().unwrap();
    let resize = |line: &[T]| {
        let mut line = line.to_vec();
        line.resize(length * inner, zero.clone());
        line
    };
    let lines = elements.chunks((shape[axis] * inner).max(1));
    let resized = lines.flat_map(resize).collect();
    shape[axis] = length;
    Tensor::from_vec(shape, resized).unwrap()
}

/// That outputs are equal but for the order in which sums are rounded.
pub(super) fn assert_equal(plain: &[Tensor], padded: &[Tensor], what: &str) {
    assert_eq!(plain.len(), padded.len());
    for (plain, padded) in plain.iter().zip(padded) {
        assert_eq!(plain.shape(), padded.shape(), "{what}");
        if plain.elem() != ElemType::F32 {
            assert_eq!(plain.to_ints().unwrap(), padded.to_ints().unwrap(), "{what}");
            continue;
        }
        let (plain, padded) = (plain.to_vec::<f32>().unwrap(), padded.to_vec::<f32>().unwrap());
        let largest = plain.iter().fold(1e-3f32, |most, number| most.max(number.abs()));
        for (i, (a, b)) in plain.iter().zip(&padded).enumerate() {
            assert!((a - b).abs() <= 5e-6 * largest, "{what}: {a} became {b} at {i}, largest {largest}");
        }
    }
}
