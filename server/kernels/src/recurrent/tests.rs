//! Against the definitions in `f64`, for every instruction set.

use super::*;
use crate::{isa::Isa, pool::Pool};

/// Numbers that look random, between -1 and 1.
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[derive(Clone, Copy, Debug)]
struct Case {
    cell: Cell,
    input: usize,
    hidden: usize,
    steps: usize,
    batch: usize,
    directions: usize,
    batch_first: bool,
    states: bool,
}

const CASE: Case = Case {
    cell: Cell::Lstm,
    input: 5,
    hidden: 19,
    steps: 7,
    batch: 3,
    directions: 2,
    batch_first: false,
    states: true,
};

/// A direction's weights: W, R and B.
fn raw(case: Case, number: u32) -> [Vec<f32>; 3] {
    let wide = case.cell.gates() * case.hidden;
    let lens = [wide * case.input, wide * case.hidden, 2 * wide];
    let mut seed = 10 * number;
    lens.map(|len| {
        seed += 1;
        values(len, seed).into_iter().map(|v| v * 0.5).collect()
    })
}

fn pack(isa: Isa, case: Case, [weights, recurrent, bias]: &[Vec<f32>; 3]) -> Packed {
    let Case { cell, input, hidden, .. } = case;
    Packed::new(isa, &Parameters { cell, input, hidden, weights, recurrent, bias: Some(bias) }).unwrap()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// One step of one item, gate by gate.
fn exact_step(case: Case, raw: &[Vec<f32>; 3], x: &[f32], h: &mut [f64], c: &mut [f64]) {
    let (hidden, wide) = (case.hidden, case.cell.gates() * case.hidden);
    let of_input = |row: usize| -> f64 {
        let weights = &raw[0][row * case.input..(row + 1) * case.input];
        let dot: f64 = weights.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
        dot + f64::from(raw[2][row])
    };
    let of_state = |row: usize, h: &[f64]| -> f64 {
        let weights = &raw[1][row * hidden..(row + 1) * hidden];
        let dot: f64 = weights.iter().zip(h).map(|(&w, h)| f64::from(w) * h).sum();
        dot + f64::from(raw[2][wide + row])
    };
    let before = h.to_vec();
    for unit in 0..hidden {
        let (x, r) =
            (|g: usize| of_input(g * hidden + unit), |g: usize| of_state(g * hidden + unit, &before));
        match case.cell {
            Cell::Lstm => {
                c[unit] = sigmoid(x(2) + r(2)) * c[unit] + sigmoid(x(0) + r(0)) * (x(3) + r(3)).tanh();
                h[unit] = sigmoid(x(1) + r(1)) * c[unit].tanh();
            }
            Cell::Gru => {
                let update = sigmoid(x(0) + r(0));
                let candidate = (x(2) + sigmoid(x(1) + r(1)) * r(2)).tanh();
                h[unit] = (1.0 - update) * candidate + update * before[unit];
            }
        }
    }
}

fn check(case: Case, threads: usize) {
    let Case { input, hidden, steps, batch, directions, .. } = case;
    let x = values(steps * batch * input, 77);
    let state = directions * batch * hidden;
    let (h, c) = (values(state, 78), values(state, 79));
    let raws: Vec<_> = (0..directions as u32).map(|number| raw(case, number)).collect();
    for isa in Isa::available() {
        let packed: Vec<_> = raws.iter().map(|raw| pack(isa, case, raw)).collect();
        let sides: Vec<_> = packed
            .iter()
            .enumerate()
            .map(|(number, weights)| Direction { weights, backwards: number == 1 })
            .collect();
        let layer = Layer {
            directions: &sides,
            input: &x,
            steps,
            batch,
            batch_first: case.batch_first,
            hidden: case.states.then_some(&h),
            cell: case.states.then_some(&c),
        };
        let came = Pool::new(threads).unwrap().enter(|| layer.run().unwrap());
        compare(case, &layer, &raws, &came, &format!("{isa:?} {threads} {case:?}"));
    }
}

fn compare(case: Case, layer: &Layer<'_>, raws: &[[Vec<f32>; 3]], came: &States, what: &str) {
    let Case { input, hidden, steps, batch, .. } = case;
    let (all, states) = (layer.all(), layer.states());
    let close =
        |came: &[f32], exact: &[f64]| came.iter().zip(exact).all(|(&a, b)| (f64::from(a) - b).abs() < 1e-5);
    for (number, raw) in raws.iter().enumerate() {
        for item in 0..batch {
            let state = number * states.direction + item * states.item;
            let initial = |given: Option<&[f32]>| -> Vec<f64> {
                (0..hidden).map(|unit| given.map_or(0.0, |given| f64::from(given[state + unit]))).collect()
            };
            let (mut h, mut c) = (initial(layer.hidden), initial(layer.cell));
            for step in 0..steps {
                let time = if number == 1 { steps - 1 - step } else { step };
                let row = if case.batch_first { item * steps + time } else { time * batch + item };
                exact_step(case, raw, &layer.input[row * input..(row + 1) * input], &mut h, &mut c);
                let place = time * all.step + number * all.direction + item * all.item;
                assert!(close(&came.all[place..place + hidden], &h), "{what} {number} {item} {step}");
            }
            assert!(close(&came.hidden[state..state + hidden], &h), "{what}");
            if case.cell == Cell::Lstm {
                assert!(close(&came.cell[state..state + hidden], &c), "{what}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn cells_of_every_remainder_match_the_definition() {
    for cell in [Cell::Lstm, Cell::Gru] {
        for hidden in [1, 4, 15, 16, 17, 40] {
            check(Case { cell, hidden, ..CASE }, 1);
        }
        for batch in [1, 2, 5, 6, 7, 13] {
            check(Case { cell, batch, ..CASE }, 1);
        }
        check(Case { cell, batch_first: true, ..CASE }, 1);
        check(Case { cell, states: false, directions: 1, ..CASE }, 1);
        check(Case { cell, steps: 150, input: 16, directions: 1, batch: 1, ..CASE }, 1);
    }
}

#[test]
fn a_small_cell_on_two_threads_matches_the_definition() {
    for cell in [Cell::Lstm, Cell::Gru] {
        check(Case { cell, hidden: 17, steps: 2, batch: 2, ..CASE }, 2);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn threads_take_parts_of_the_batch_or_of_each_step() {
    for cell in [Cell::Lstm, Cell::Gru] {
        check(Case { cell, batch: 13, ..CASE }, 3);
        check(Case { cell, batch: 1, directions: 1, hidden: 128, steps: 40, ..CASE }, 2);
        check(Case { cell, batch: 2, directions: 1, hidden: 130, steps: 9, batch_first: true, ..CASE }, 4);
    }
}

#[test]
fn without_steps_the_states_stay() {
    let case = Case { directions: 1, ..CASE };
    let packed = pack(Isa::current(), case, &raw(case, 0));
    let sides = [Direction { weights: &packed, backwards: false }];
    let h = values(case.batch * case.hidden, 1);
    let layer = Layer {
        directions: &sides,
        input: &[],
        steps: 0,
        batch: case.batch,
        batch_first: false,
        hidden: Some(&h),
        cell: None,
    };
    let states = layer.run().unwrap();
    assert_eq!((states.all.len(), &states.hidden, states.cell), (0, &h, vec![0.0; h.len()]));
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let case = Case { directions: 1, ..CASE };
    let packed = pack(Isa::current(), case, &raw(case, 0));
    let sides = [Direction { weights: &packed, backwards: false }];
    let layer = Layer {
        directions: &sides,
        input: &[0.0; 5 * 3],
        steps: 1,
        batch: 3,
        batch_first: false,
        hidden: None,
        cell: None,
    };
    assert!(layer.run().is_ok());
    assert_eq!(Layer { steps: 2, ..layer }.run(), Err(Misfit("the input")));
    assert_eq!(Layer { hidden: Some(&[0.0; 3]), ..layer }.run(), Err(Misfit("the initial states")));
    assert_eq!(Layer { directions: &[], ..layer }.run(), Err(Misfit("the directions")));
    let short = Parameters {
        cell: Cell::Gru,
        input: 2,
        hidden: 2,
        weights: &[0.0; 12],
        recurrent: &[0.0; 11],
        bias: None,
    };
    assert!(Packed::new(Isa::current(), &short).is_err());
}
