//! Callers come while instances take, batch and finish: everybody gets their own rows.

use super::{bench::Bench, bench::Plan, bench::Probe, exhaust, explore};

/// Callers on threads of their own, each with its rows.
fn everybody_is_answered(plan: Plan, callers: &[&'static [u8]]) {
    let bench = Bench::start(plan);
    let asked: Vec<_> = callers.iter().map(|values| (*values, bench.send(values))).collect();
    for (values, request) in asked {
        assert_eq!(request.join().unwrap().as_deref(), Ok(values));
    }
    bench.end();
}

#[test]
fn one_instance_and_one_caller_depth_first() {
    exhaust(20_000, || everybody_is_answered(Plan::default(), &[&[1]]));
}

#[test]
fn one_instance() {
    explore(|| everybody_is_answered(Plan::default(), &[&[1], &[2], &[3, 4], &[5]]));
}

#[test]
fn two_instances() {
    explore(|| {
        everybody_is_answered(Plan { instances: 2, ..Plan::default() }, &[&[1], &[2], &[3, 4], &[5]]);
    });
}

#[test]
fn three_instances_that_share_one_core() {
    explore(|| {
        let plan = Plan { instances: 3, cores: 1, ..Plan::default() };
        everybody_is_answered(plan, &[&[1], &[2], &[3]]);
    });
}

#[test]
fn sessions_that_answer_later() {
    for depth in [1, 2] {
        explore(move || {
            let plan = Plan { depth, max_rows: 1, ..Plan::default() };
            everybody_is_answered(plan, &[&[Probe::LATER], &[1], &[Probe::LATER], &[2]]);
        });
    }
}
