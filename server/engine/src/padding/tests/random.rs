//! Networks put together at random: whatever the analysis allows is exact.

use proptest::prelude::*;

use super::{
    exact::{assert_equal, both},
    net::{Net, WIDTH},
    words,
};
use crate::{
    ops::function::{int, ints},
    plan::Plan,
};

/// Values of a network in the making, by shape.
struct Values {
    /// `[batch, sequence, width]`.
    states: Vec<String>,
    /// `[batch, width]`.
    pooled: Vec<String>,
}

/// Something to put behind what is there: what, and on which value.
type Choice = (u8, u8);

/// Adds an operator or a block, safe ones and such as padding changes.
fn grow(net: &mut Net, values: &mut Values, (what, which): Choice) {
    let x = values.states[usize::from(which) % values.states.len()].clone();
    let other = values.states[usize::from(which / 7) % values.states.len()].clone();
    let made = match what % 20 {
        0 => net.linear(&x, WIDTH, WIDTH),
        1 => net.norm(&x),
        2 => net.op("Add", &[&x, &other]),
        3 => net.op("Mul", &[&x, &other]),
        4 => net.op("Tanh", &[&x]),
        5 | 6 => {
            let additive = net.additive("mask", if which % 2 == 0 { -1e4 } else { f32::MIN });
            net.layer(&x, &additive)
        }
        7 => net.attention(&x, |_, scores| scores.to_owned()),
        8 => {
            let column = net.column("mask");
            net.op("Mul", &[&x, &column])
        }
        9 => {
            let axis = net.integer(1);
            net.op_with("CumSum", &[&x, &axis], vec![int("reverse", i64::from(which % 2))])
        }
        10 => net.along("Softmax", &[&x], 1),
        11 => net.along("Softmax", &[&x], 2),
        12 => {
            let pooled = net.op_with("ReduceMean", &[&x], vec![ints("axes", &[1])]);
            net.op("Sub", &[&x, &pooled])
        }
        13 => {
            let axes = net.integers(&[1]);
            let sum = net.op("ReduceSum", &[&x, &axes]);
            net.op("Add", &[&x, &sum])
        }
        14 => net.slice(&x, -1, i64::MIN, -1),
        15 => {
            let turned = net.op_with("Transpose", &[&x], vec![ints("perm", &[0, 2, 1])]);
            let square = net.op("MatMul", &[&turned, &other]);
            net.op("MatMul", &[&x, &square])
        }
        16 => {
            let direction = if which % 2 == 0 { "forward" } else { "reverse" };
            let [all, _] = net.recurrence(&x, direction);
            let axes = net.integers(&[1]);
            let all = net.op("Squeeze", &[&all, &axes]);
            net.op_with("Transpose", &[&all], vec![ints("perm", &[1, 0, 2])])
        }
        17 => {
            let pooled = net.mean(&x, "mask");
            values.pooled.push(pooled.clone());
            let axes = net.integers(&[1]);
            let wide = net.op("Unsqueeze", &[&pooled, &axes]);
            net.op("Add", &[&x, &wide])
        }
        18 => {
            let first = net.integer(if which % 3 == 0 { -1 } else { 0 });
            let pooled = net.along("Gather", &[&x, &first], 1);
            values.pooled.push(pooled);
            return;
        }
        _ => {
            let shape = net.integers(&[0, -1, WIDTH as i64]);
            let turned = net.op_with("Transpose", &[&x], vec![ints("perm", &[0, 2, 1])]);
            if which % 2 == 0 {
                net.op("Reshape", &[&turned, &shape])
            } else {
                net.op("Reshape", &[&x, &shape])
            }
        }
    };
    values.states.push(made);
}

fn network(choices: &[Choice]) -> Plan {
    let mut net = Net::of_words();
    let embedded = net.embedded("ids");
    let mut values = Values { states: vec![embedded], pooled: Vec::new() };
    choices.iter().for_each(|&choice| grow(&mut net, &mut values, choice));
    let mut outputs = vec![values.states.last().unwrap().clone()];
    outputs.extend(values.pooled.last().cloned());
    net.plan(&outputs.iter().map(String::as_str).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn what_is_allowed_is_exact(
        choices in proptest::collection::vec((0u8..20, any::<u8>()), 1..5),
        length in 1usize..9,
        more in 0usize..9,
        masked in 0usize..4,
    ) {
        let plan = network(&choices);
        if let Some(Ok(_)) = plan.padding() {
            let (plain, padded) = both(&plan, &words(2, length, masked.min(length - 1)), length + more);
            assert_equal(&plain, &padded, &format!("{choices:?}"));
        }
    }
}

#[test]
fn a_good_part_of_random_networks_is_allowed() {
    let allowed = (0..20u8).filter(|&what| matches!(network(&[(what, 1)]).padding(), Some(Ok(_)))).count();
    assert!((10..18).contains(&allowed), "{allowed} of 20");
}
